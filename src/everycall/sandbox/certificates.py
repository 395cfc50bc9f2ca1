"""The certificates with which the sandbox stands in for the vendor's hosts.

A client that hard-codes `https://api.mypurecloud.de` trusts the sandbox as soon as it trusts `authority.pem`: an
authority of this user's own. To trust it is safe. It may sign for the names of the sandbox alone (name constraints),
it has signed one certificate, and its private key was never written to disk. The certificate's own key lies in
`server.pem`, which only its owner may read.

Both are made on first use, and again thirty days before they expire. This module needs the library cryptography, which
comes with `everycall[tls]`.
"""

import ipaddress
import os
import shutil
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from everycall.sandbox.names import ADDRESSES, NAMES

LIVES: Final = timedelta(days=397)
RENEWED_BEFORE: Final = timedelta(days=30)
CLOCKS_DIFFER: Final = timedelta(days=1)
"""How far the clock of a client (a container, say) may be behind."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the sandbox shows to clients, and what they need in order to trust it; both are PEM files in a folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate; no secret."""
        return self.folder / "authority.pem"

    @property
    def server(self) -> Path:
        """The server's private key and its certificate."""
        return self.folder / "server.pem"

    def context(self) -> ssl.SSLContext:
        """For the server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def is_sound(self, now: datetime) -> bool:
        """Whether both files are there, belong together, cover all names, and live for another thirty days."""
        try:
            authority = x509.load_pem_x509_certificate(self.authority.read_bytes())
            server = x509.load_pem_x509_certificate(self.server.read_bytes())
            server.verify_directly_issued_by(authority)
            covered = names_of(server)
            self.context()
        except Exception:  # noqa: BLE001 - whatever is wrong with the files, new ones set it right
            return False
        ends = min(authority.not_valid_after_utc, server.not_valid_after_utc)
        return covered == {*NAMES, *ADDRESSES} and server.not_valid_before_utc <= now < ends - RENEWED_BEFORE


def certificate(folder: Path, now: datetime) -> Certificate:
    """The certificate in a folder of this user; made there where there is none, or where it is about to expire.

    Raises:
        OSError: the folder cannot be written.
    """
    found = Certificate(folder)
    if found.is_sound(now):
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        new = aside / "new"
        new.mkdir(mode=0o700)
        for name, content in made(now).items():
            write_for_owner(new / name, content)
        # Another process may be doing the same: whoever is first stays, so that a folder never holds half of each.
        with suppress(FileNotFoundError):
            if not found.is_sound(now):
                folder.rename(aside / "before")
        with suppress(OSError):
            new.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if not found.is_sound(now):
        raise OSError(f"the certificates of the sandbox cannot be put into {folder}; remove it, and start again")
    return found


def write_for_owner(path: Path, content: bytes) -> None:
    """Writes a new file that nobody else may read at any moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def made(now: datetime) -> Mapping[str, bytes]:
    """A new authority and the one certificate that it signs: the content of the files, by name."""
    authority_key, server_key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = signed_authority(authority_key, now)
    server = signed_server(server_key, authority, authority_key, now)
    key = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "authority.pem": authority.public_bytes(Encoding.PEM),
        "server.pem": key + server.public_bytes(Encoding.PEM),
    }


def signed_authority(key: EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """The authority: it may sign certificates for the names and addresses of the sandbox, and for nothing else."""
    subject = named("everycall sandbox: authority of this user")
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in ADDRESSES]
    return (
        begun(subject, subject, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, SHA256())
    )


def signed_server(
    key: EllipticCurvePrivateKey, authority: x509.Certificate, authority_key: EllipticCurvePrivateKey, now: datetime
) -> x509.Certificate:
    """The certificate of the server, for all names and addresses of the sandbox."""
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    authority_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        begun(named("everycall sandbox"), authority.subject, key, now)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False)
        .sign(authority_key, SHA256())
    )


def begun(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    """A builder with the fields that both certificates have."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - CLOCKS_DIFFER)
        .not_valid_after(now.astimezone(UTC) + LIVES)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def named(common_name: str) -> x509.Name:
    """A subject with a common name that cannot be taken for a host."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def names_of(server: x509.Certificate) -> set[str]:
    """The hosts and addresses that a certificate is for."""
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What a key is for: signing certificates, or TLS."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
