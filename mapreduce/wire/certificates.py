"""Certificates of the services: each is signed by an authority that follows from the signing key.

Both sides derive the same certificate authority from the key that they share, so nothing is stored
or sent, and only a process that has the key can make a certificate. Import this module only where
TLS is used: it loads cryptography, which costs 9 MB and 30 ms and has no place in a worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DOMAIN = "mapreduce.internal"
_INFO = b"mapreduce certificate authority 1"
"""The purpose of the derived key (RFC 5869): the signing key has another, to sign tokens."""
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{DOMAIN} authority")])
_FROM, _TO = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280's "no expiry": a certificate ends with its process, and the authority with its key. A
narrow time would only fail on a machine whose clock is wrong.
"""
_NO_USE = dict.fromkeys(
    (
        *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)
KeyKind = Literal["ed25519", "p256"]
"""The key pair of a certificate. TLS libraries without Ed25519 (BoringSSL, in gRPC) take P-256."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, in PEM; the private key is not in its `repr`."""

    certificate: bytes
    private_key: bytes = field(repr=False)


def host_name(role: str) -> str:
    """Return the name in the certificate of each service of a role: no address is known before."""
    return f"{role}.{DOMAIN}"


def authority(signing_key: str) -> bytes:
    """Return the authority's certificate in PEM; the same bytes for the same key."""
    key = _authority_key(signing_key)
    public = key.public_key()
    made = (
        _builder(public, _NAME, 1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=False, key_cert_sign=True, **_NO_USE), critical=True
        )
        .sign(key, algorithm=None)
    )
    return made.public_bytes(serialization.Encoding.PEM)


def issue(signing_key: str, role: str, kind: KeyKind = "ed25519") -> Issued:
    """Return a certificate for a service of a role, with a new key pair.

    Args:
        signing_key: the stack's key.
        role: the role of the service that will use it.
        kind: of the new key pair.
    """
    authority_key = _authority_key(signing_key)
    own = (
        Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
    )
    name = host_name(role)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    made = (
        _builder(own.public_key(), subject, x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=False, **_NO_USE), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, algorithm=None)
    )
    return Issued(
        certificate=made.public_bytes(serialization.Encoding.PEM),
        private_key=own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _authority_key(signing_key: str) -> Ed25519PrivateKey:
    derived = HKDF(hashes.SHA256(), length=32, salt=None, info=_INFO).derive(signing_key.encode())
    return Ed25519PrivateKey.from_private_bytes(derived)


def _builder(
    public: Ed25519PublicKey | ec.EllipticCurvePublicKey, subject: x509.Name, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(_NAME)
        .subject_name(subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(_FROM)
        .not_valid_after(_TO)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
