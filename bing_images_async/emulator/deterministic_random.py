"""Chance that repeats itself: numbers drawn from a hash of what they are about.

The service's habits (overlapping pages, absent fields, a drifting estimate) look random, yet the same
question to the same seed always gets the same answer, in any process and in any order of requests.
"""

from hashlib import blake2b


def draw(*about: object) -> int:
    """A 64-bit number that depends on nothing but `about`."""
    return int.from_bytes(blake2b("\x1f".join(map(str, about)).encode(), digest_size=8).digest())


def fraction(*about: object) -> float:
    """The same, from 0.0 (included) to 1.0 (excluded)."""
    return (draw(*about) >> 11) / (1 << 53)


def digits(length: int, *about: object) -> str:
    """`length` upper-case hexadecimal digits (at most 128), the look of the service's opaque identifiers."""
    text = blake2b("\x1f".join(map(str, about)).encode(), digest_size=(length + 1) // 2).hexdigest()
    return text[:length].upper()
