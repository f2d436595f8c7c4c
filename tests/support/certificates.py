"""Private certificate authorities, and TLS contexts for servers that they vouch for."""

from __future__ import annotations

import functools
import hashlib
import ssl

import trustme
from cryptography import x509

__all__ = ["authority", "hashed_name", "server_context", "trusting"]


def authority(name: str = "one") -> trustme.CA:
    """A certificate authority; the same one for the same name."""
    return _authority(name)


@functools.cache
def _authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


@functools.cache
def server_context(*hosts: str, by: str = "one") -> ssl.SSLContext:
    """A server's context with a certificate for `hosts` (127.0.0.1 by default)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority(by).issue_cert(*(hosts or ("127.0.0.1",))).configure_cert(context)
    return context


def trusting(name: str = "one") -> ssl.SSLContext:
    """A client's context that trusts this authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(name).configure_trust(context)
    return context


def hashed_name(ca: trustme.CA) -> str:
    """The file name of a CA in a directory of OpenSSL (X509_NAME_hash_ex: SHA-1 of the canonical name)."""
    certificate = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    canonical = x509.Name(
        [x509.NameAttribute(part.oid, " ".join(str(part.value).lower().split())) for part in certificate.subject]
    ).public_bytes()
    size = 2 if canonical[1] < 0x80 else 2 + (canonical[1] & 0x7F)
    digest = hashlib.sha1(canonical[size:], usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}.0"
