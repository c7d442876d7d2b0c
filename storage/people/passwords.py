"""Passwords at rest: argon2id with the defaults of argon2-cffi (RFC 9106, its second recommendation).

The library is loaded only where a password is at hand: most processes never see one.
"""

from __future__ import annotations

import functools
import secrets
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher


def hashed(password: str) -> str:
    """The hash to store, with its salt and parameters in it. Costs time and memory on purpose."""
    return _hasher().hash(_bytes(password))


def matches(password: str, stored: str | None) -> bool:
    """Whether the password belongs to the hash. Takes as long where there is none, so that time tells nothing."""
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - see the module

    nobodys = _nobodys_hash()
    try:
        _hasher().verify(stored or nobodys, _bytes(password))
    except (InvalidHashError, VerificationError):
        return False
    return stored is not None


def outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than would be used now."""
    return _hasher().check_needs_rehash(stored)


def _bytes(password: str) -> bytes:
    """The same for the same characters, whichever way a keyboard composes them (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 - see the module

    return PasswordHasher()


@functools.cache
def _nobodys_hash() -> str:
    """A hash that no known password has."""
    return _hasher().hash(secrets.token_urlsafe(32))
