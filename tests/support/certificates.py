"""Private certificate authorities, and TLS contexts for servers that they vouch for."""

from __future__ import annotations

import functools
import ssl

import trustme

__all__ = ["authority", "server_context", "trusting"]


@functools.cache
def authority(name: str = "one") -> trustme.CA:
    """A certificate authority; the same one for the same name."""
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
