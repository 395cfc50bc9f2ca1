"""Opens object stores by their URLs: `s3://`, `gs://`, `abfss://`, by pyarrow's filesystems. Needs pyarrow.

Credentials come from the environment, under the names that delta-rs reads, too, so that Parquet, JSON lines and Delta
tables need the same settings:

- S3: AWS_ACCESS_KEY_ID and others, a profile, or the machine's role; AWS_ENDPOINT_URL is an endpoint of one's own.
- Google Cloud Storage: GOOGLE_APPLICATION_CREDENTIALS, or the machine's service account.
- Azure: AZURE_STORAGE_ACCOUNT_KEY; or AZURE_STORAGE_SAS_TOKEN; or AZURE_TENANT_ID, AZURE_CLIENT_ID and
  AZURE_CLIENT_SECRET; or what Azure's SDK finds by itself (managed identity, `az login`).

Sources: https://arrow.apache.org/docs/python/filesystems.html, https://docs.rs/object_store.
"""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from everycall.errors import SettingsError
from everycall.sinks.targets import STORES

RETRIES_S = 30
"""Ours: how long Google's client tries again. By default it does so for fifteen minutes, and nothing can stop it."""


def opened(url: str, environment: Mapping[str, str] = os.environ) -> tuple[fs.FileSystem, str]:
    """The store of a URL, and the path in it.

    Raises:
        SettingsError: the URL is not valid, or Azure's SDK finds no credentials.
    """
    try:
        scheme = url.partition("://")[0].lower()
        if scheme == "abfss":
            return _azure(url, environment)
        store, path = fs.FileSystem.from_uri(f"{url}?retry_limit_seconds={RETRIES_S}" if scheme == "gs" else url)
    except (pa.ArrowException, OSError, NotImplementedError) as error:
        raise SettingsError(f"{url} cannot be used: {error}.", hint="Check the URL.") from error
    return store, path


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
    if not credentials:
        _check_default_credentials(store, path, url)
    return store, path


def _check_default_credentials(store: fs.FileSystem, path: str, url: str) -> None:
    """Let Azure's SDK find credentials by itself. Where it finds none, most other calls would abort the process."""
    try:
        store.get_file_info(path)
    except pa.ArrowException as error:
        if "AuthenticationException" not in str(error):
            raise
        raise SettingsError(
            f"Azure's SDK finds no credentials for {url}.", hint=f"Set {STORES['abfss']}, or run `az login`."
        ) from error


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
        if all(environment.get(name) for name in names.values()):
            return {argument: environment[name] for argument, name in names.items()}
    return {}
