"""Opens object stores by their URLs: `s3://`, `gs://`, `abfss://`, by pyarrow's filesystems. Needs pyarrow.

Credentials come from the environment, under the names that delta-rs reads, too, so that Parquet, JSON lines and Delta
tables need the same settings:

- S3: AWS_ACCESS_KEY_ID and others, a profile, or the machine's role; AWS_ENDPOINT_URL is an endpoint of one's own.
- Google Cloud Storage: GOOGLE_APPLICATION_CREDENTIALS, or the machine's service account.
- Azure: AZURE_STORAGE_ACCOUNT_KEY; or AZURE_STORAGE_SAS_TOKEN; or AZURE_TENANT_ID, AZURE_CLIENT_ID and
  AZURE_CLIENT_SECRET; or what Azure's SDK finds by itself (managed identity, `az login`).

Sources: https://arrow.apache.org/docs/python/filesystems.html, https://docs.rs/object_store.
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from everycall.errors import SettingsError
from everycall.printable import without_queries
from everycall.sinks.targets import STORES

RETRIES_S = 30
"""Ours: how long Google's client tries again. By default it does so for fifteen minutes, and nothing can stop it."""


def opened(url: str, environment: Mapping[str, str] = os.environ) -> tuple[fs.FileSystem, str]:
    """The store of a URL, and the path in it.

    Raises:
        SettingsError: the URL is not valid, the store cannot be reached, or Azure refuses the credentials.
    """
    scheme = url.partition("://")[0].lower()
    try:
        if scheme == "abfss":
            return _azure(url, environment)
        store, path = fs.FileSystem.from_uri(f"{url}?retry_limit_seconds={RETRIES_S}" if scheme == "gs" else url)
    except (pa.ArrowException, OSError, NotImplementedError) as error:
        hint = f"Check the URL, the network, and the settings in the environment: {STORES[scheme]}."
        raise SettingsError(f"{url} cannot be used: {first_line(error)}.", hint=hint) from error
    return store, path


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Raise what pyarrow calls unknown, such as refused credentials, as what it is: a store that cannot be used."""
    try:
        yield
    except pa.ArrowException as error:
        raise OSError(str(error)) from error


def first_line(error: Exception) -> str:
    """What went wrong, without signatures, and without the details that Google's client adds for its authors."""
    return without_queries(str(error)).partition("\n")[0].partition(" error_info=")[0].rstrip(".")


def _azure(url: str, environment: Mapping[str, str]) -> tuple[fs.FileSystem, str]:
    parts = urlsplit(url)
    account, _, domain = (parts.hostname or "").partition(".")
    if not (parts.username and account and domain):
        raise SettingsError(
            f"{url} cannot be used: it names no container and account.",
            hint="Write it as abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH.",
        )
    path = f"{parts.username}{parts.path}"
    credentials = _azure_credentials(environment)
    if environment.get("AZURE_STORAGE_USE_EMULATOR") == "true":
        emulator = urlsplit(environment.get("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:10000"))
        return fs.AzureFileSystem(account, **credentials, **_authorities(emulator.netloc, "http")), path
    store = fs.AzureFileSystem(account, **credentials, **_authorities(f".{domain}", "https"))
    _check_credentials(store, path, url)
    return store, path


def _check_credentials(store: fs.FileSystem, path: str, url: str) -> None:
    """Let Azure's SDK use its credentials. Where it gets no token, most other calls would abort the process."""
    try:
        store.get_file_info(path)
    except OSError:
        return  # the place is checked later
    except pa.ArrowException as error:
        if _REFUSED not in str(error):
            raise
        reason = str(error).rpartition(_REFUSED)[2].partition("\n")[0].strip("E: .")
        raise SettingsError(
            f"{url} cannot be used: {reason}.", hint=f"Set {STORES['abfss']}, or run `az login`."
        ) from error


_REFUSED = "AuthenticationException"
"""Of Azure's SDK, in the text of an error."""


def _authorities(dfs: str, scheme: str) -> dict[str, str]:
    """The two services of an account: the data lake and the blobs below it."""
    return {
        "dfs_storage_authority": dfs,
        "dfs_storage_scheme": scheme,
        "blob_storage_authority": dfs.replace(".dfs.", ".blob.", 1),
        "blob_storage_scheme": scheme,
    }


def _azure_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The first of the account's key, a shared access signature and a service principal that is set."""
    for names in (
        {"account_key": "AZURE_STORAGE_ACCOUNT_KEY"},
        {"sas_token": "AZURE_STORAGE_SAS_TOKEN"},
        {"tenant_id": "AZURE_TENANT_ID", "client_id": "AZURE_CLIENT_ID", "client_secret": "AZURE_CLIENT_SECRET"},
    ):
        found = {argument: environment.get(name, "") for argument, name in names.items()}
        if all(found.values()):
            _check_key(found.get("account_key", ""))
            if "sas_token" in found:  # pyarrow takes it as the end of a URL; it is often written without the mark
                found["sas_token"] = f"?{found['sas_token'].removeprefix('?')}"
            return found
    return {}


def _check_key(key: str) -> None:
    """Refuse a key of an account that is none: Azure's SDK would abort the process."""
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError(
            "AZURE_STORAGE_ACCOUNT_KEY is not the key of a storage account.",
            hint="Copy it from the page of the account, under access keys: it is Base64, as it stands there.",
        ) from error
