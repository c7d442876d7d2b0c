"""Secrets at rest: AES-256-GCM with associated data, under a ring of keys (newest first)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import ConfigurationError


class Vault:
    """Seals and opens secrets. ``keys`` are 32-byte values; the first seals, all open.

    The associated data binds a secret to its place (for a channel token: channel and domain), so that a sealed value
    copied to another row does not open there.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise ConfigurationError(
                "TOWPATH_SECRET_KEYS needs one or more keys of 32 bytes, base64, separated by commas."
            )
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: AESGCM(key) for key in keys}
        self._first = next(iter(self._keys))

    def seal(self, secret: str, place: str) -> str:
        """Encrypt ``secret`` for ``place``; the result is text: ``v1.<key id>.<nonce and ciphertext>``."""
        nonce = secrets.token_bytes(12)
        sealed = nonce + self._keys[self._first].encrypt(nonce, secret.encode(), place.encode())
        return f"v1.{self._first}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, place: str) -> str:
        """Decrypt what :meth:`seal` gave for the same place.

        Raises:
            ConfigurationError: the key is not in the ring, or the value was changed or moved.
        """
        try:
            version, kid, text = sealed.split(".")
            raw = base64.urlsafe_b64decode(text)
            if version != "v1":
                raise ValueError(version)
            return self._keys[kid].decrypt(raw[:12], raw[12:], place.encode()).decode()
        except KeyError:
            raise ConfigurationError(
                "A stored secret needs a key that TOWPATH_SECRET_KEYS does not hold. Put the old key back into the "
                "ring."
            ) from None
        except (ValueError, InvalidTag):
            raise ConfigurationError(
                f"The stored secret of {place.split('/', maxsplit=1)[0]} was changed or moved. Enter it again."
            ) from None
