import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from everycall.sandbox import certificates
from everycall.sandbox.certificates import begun, certificate, named, names_of, signed_authority
from everycall.sandbox.names import ADDRESSES, NAMES

NOW = datetime.now(UTC)
"""OpenSSL has a clock of its own, which knows no other instant."""


def contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_certificate_is_for_the_vendors_hosts_and_this_machine(tmp_path: Path) -> None:
    found = certificate(tmp_path / "tls", NOW)

    assert names_of(x509.load_pem_x509_certificate(found.server.read_bytes())) == {*NAMES, *ADDRESSES}
    assert len(NAMES) == 2 * 18 + 1


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    found = certificate(tmp_path / "tls", NOW)

    assert b"PRIVATE KEY" in found.server.read_bytes()
    assert found.server.stat().st_mode & 0o077 == 0
    assert found.folder.stat().st_mode & 0o077 == 0


def test_the_key_of_the_authority_is_kept_nowhere(tmp_path: Path) -> None:
    found = certificate(tmp_path / "new" / "tls", NOW)

    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["authority.pem", "server.pem"]
    assert b"PRIVATE" not in found.authority.read_bytes()
    assert found.server.read_bytes().count(b"PRIVATE KEY-----\n") == 2  # its begin and its end
    authority = x509.load_pem_x509_certificate(found.authority.read_bytes())
    server = x509.load_pem_x509_certificate(found.server.read_bytes())
    assert authority.public_key() != server.public_key()


def test_the_second_sandbox_finds_what_the_first_one_made(tmp_path: Path) -> None:
    first = contents(certificate(tmp_path / "tls", NOW).folder)

    assert contents(certificate(tmp_path / "tls", NOW + timedelta(days=300)).folder) == first


@pytest.mark.parametrize("before", ["nothing", "files that are broken"])
def test_sandboxes_that_start_at_the_same_moment_end_with_one_pair(tmp_path: Path, before: str) -> None:
    folder = tmp_path / "tls"
    if before != "nothing":
        folder.mkdir()
        (folder / "server.pem").write_text("broken")

    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda _: certificate(folder, NOW), range(8)))

    assert found == [found[0]] * 8
    assert found[0].is_sound(NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tls"]


@pytest.mark.parametrize("later", [timedelta(days=368), timedelta(days=1000), timedelta(days=-2)])
def test_a_certificate_that_expires_soon_or_lies_in_the_future_is_made_anew(tmp_path: Path, later: timedelta) -> None:
    first = contents(certificate(tmp_path / "tls", NOW).folder)

    second = certificate(tmp_path / "tls", NOW + later)

    assert contents(second.folder).keys() == first.keys()
    assert all(contents(second.folder)[name] != first[name] for name in first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tls"]


@pytest.mark.parametrize("name", ["authority.pem", "server.pem"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"another"])
def test_files_that_are_broken_or_of_another_pair_are_replaced(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    found, other = certificate(tmp_path / "tls", NOW), certificate(tmp_path / "other", NOW)
    if content is None:
        (found.folder / name).unlink()
    else:
        (found.folder / name).write_bytes((other.folder / name).read_bytes() if content == b"another" else content)

    assert certificate(tmp_path / "tls", NOW).is_sound(NOW)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="file"):
        certificate(tmp_path / "file" / "tls", NOW)


def shakes_hands(server_context: ssl.SSLContext, authority: Path, hostname: str) -> None:
    """TLS in memory between a server and a client that trusts the authority.

    Raises:
        ssl.SSLCertVerificationError: the client does not believe the server.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cafile=str(authority))
    client = trusting.wrap_bio(to_client, to_server, server_hostname=hostname)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass


@pytest.mark.parametrize("hostname", ["api.mypurecloud.de", "login.usw2.pure.cloud", "localhost", "127.0.0.1", "::1"])
def test_clients_believe_it_under_its_names(tmp_path: Path, hostname: str) -> None:
    found = certificate(tmp_path / "tls", NOW)

    shakes_hands(found.context(), found.authority, hostname)


@pytest.mark.parametrize(
    "hostname", ["api.mypurecloud.de.example.com", "example.com", "apps.mypurecloud.de", "10.0.0.1"]
)
def test_clients_believe_it_under_no_other_name(tmp_path: Path, hostname: str) -> None:
    found = certificate(tmp_path / "tls", NOW)

    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shakes_hands(found.context(), found.authority, hostname)


@pytest.mark.parametrize("hostname", ["example.com", "apps.mypurecloud.de", "10.0.0.1"])
def test_even_with_its_key_the_authority_could_sign_for_no_other_name(tmp_path: Path, hostname: str) -> None:
    key, authority_key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = signed_authority(authority_key, NOW)
    forged = (
        begun(named("forged"), authority.subject, key, NOW)
        .add_extension(x509.SubjectAlternativeName([general_name(hostname)]), critical=False)
        .sign(authority_key, SHA256())
    )
    (tmp_path / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + forged.public_bytes(Encoding.PEM)
    (tmp_path / "server.pem").write_bytes(pem)
    found = certificates.Certificate(tmp_path)

    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shakes_hands(found.context(), found.authority, hostname)


def general_name(hostname: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(hostname)) if hostname[0].isdigit() else x509.DNSName(hostname)
