"""A certificate authority of a test's own, and certificates for this computer."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """PEM files: the authority that signed, the certificate, its key."""

    ca: Path
    cert: Path
    key: Path


def make_certificates(folder: Path, *names: str) -> dict[str, Certificate]:
    """One authority, and for each of `names` a certificate for 127.0.0.1 and localhost that it signed."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key = _new_key()
    ca = _sign(_name("test authority"), ca_key.public_key(), _name("test authority"), ca_key, authority=True)
    _write(folder / "ca.pem", ca)
    made = {}
    for name in names:
        key = _new_key()
        _write(folder / f"{name}.pem", _sign(_name(name), key.public_key(), ca.subject, ca_key))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        made[name] = Certificate(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
    return made


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _sign(subject, public_key, issuer, issuer_key, *, authority: bool = False) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)
    builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(places), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
