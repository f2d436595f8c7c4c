"""Deterministic random values: each is a hash of its key, so that equal keys give equal values.

The service's habits (overlapping pages, absent fields, a drifting estimate) vary, but the same request with the same
seed always has the same answer, in every process and in any order of requests.
"""

from hashlib import blake2b


def draw(*key: object) -> int:
    """Return a 64-bit number that depends on nothing but `key`."""
    return int.from_bytes(blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest())


def fraction(*key: object) -> float:
    """Return a number from 0.0 (included) to 1.0 (excluded)."""
    return (draw(*key) >> 11) / (1 << 53)


def digits(length: int, *key: object) -> str:
    """Return `length` upper-case hexadecimal digits (at most 128), as in the service's opaque identifiers."""
    text = blake2b("\x1f".join(map(str, key)).encode(), digest_size=(length + 1) // 2).hexdigest()
    return text[:length].upper()
