"""Certificates: what the key proves, judged by OpenSSL's own command where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mapreduce.wire.certificates import KeyKind, authority, host_name, issue

KEY = "k" * 32


def _raw(certificate: bytes) -> bytes:
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def test_the_authority_follows_from_the_key() -> None:
    """Both sides derive the same bytes, and another key another authority."""
    assert authority(KEY) == authority(KEY)
    assert _raw(authority(KEY)) != _raw(authority("j" * 32))


def test_each_certificate_has_its_own_key() -> None:
    """Two certificates of one role have two key pairs and two serial numbers."""
    first, second = (issue(KEY, "mapper") for _ in range(2))
    assert _raw(first.certificate) != _raw(second.certificate)
    serials = {
        x509.load_pem_x509_certificate(each.certificate).serial_number for each in (first, second)
    }
    assert 2 == len(serials)


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_certificate_may_have_another_kind_of_key(kind: KeyKind, tmp_path: Path) -> None:
    """BoringSSL, in gRPC, takes no Ed25519 key; the authority proves a P-256 key as well."""
    issued = issue(KEY, "mapper", kind)
    public = x509.load_pem_x509_certificate(issued.certificate).public_key()
    assert isinstance(public, Ed25519PublicKey if kind == "ed25519" else EllipticCurvePublicKey)
    if shutil.which("openssl"):
        told = _verified(tmp_path, authority(KEY), issued.certificate, host_name("mapper"))
        assert "own.pem: OK" in told


def test_secrets_are_in_no_certificate() -> None:
    """A certificate contains neither the signing key nor a private key, and nor does its text."""
    issued = issue(KEY, "mapper")
    assert b"PRIVATE" not in issued.certificate
    assert KEY.encode() not in issued.certificate + authority(KEY)
    assert "PRIVATE" not in repr(issued)


def _verified(folder: Path, trusted: bytes, certificate: bytes, name: str) -> str:
    (folder / "authority.pem").write_bytes(trusted)
    (folder / "own.pem").write_bytes(certificate)
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslserver"),
            *("-CAfile", "authority.pem", "-verify_hostname", name, "own.pem"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
def test_openssl_agrees(tmp_path: Path) -> None:
    """By RFC 5280's strict rules the key's authority proves the role, and no other does."""
    own = issue(KEY, "mapper").certificate
    assert "own.pem: OK" in _verified(tmp_path, authority(KEY), own, host_name("mapper"))
    other = _verified(tmp_path, authority("j" * 32), own, host_name("mapper"))
    assert "unable to get local issuer certificate" in other
    role = _verified(tmp_path, authority(KEY), own, host_name("reducer"))
    assert "hostname mismatch" in role


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
def test_a_service_cannot_sign_for_another(tmp_path: Path) -> None:
    """A certificate that a service's own key has signed is not proven: it is no authority."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from mapreduce.wire import certificates

    own = issue(KEY, "mapper")
    private = load_pem_private_key(own.private_key, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "_authority_key", lambda _: private)
        patch.setattr(
            certificates, "_NAME", x509.load_pem_x509_certificate(own.certificate).subject
        )
        forged = issue(KEY, "reducer").certificate
    trusted = authority(KEY) + own.certificate
    said = _verified(tmp_path, trusted, forged, host_name("reducer"))
    assert "OK" not in said
    assert "invalid CA certificate" in said
