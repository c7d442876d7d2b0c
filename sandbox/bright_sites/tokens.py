"""API tokens: several, read or read/write, with an optional expiry (facts §1, Token)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sandbox.bright_sites.answers import ForbiddenError, UnauthorizedError
from sandbox.bright_sites.wire import Json, render_time

READ = "read"
READ_WRITE = "read_write"
PERMISSIONS = (READ, READ_WRITE)


@dataclass(frozen=True, slots=True)
class Token:
    """A token; only its label is shown anywhere."""

    label: str
    value: str
    permission: str = READ
    expires_at: datetime | None = None
    revoked: bool = False

    def as_document(self) -> Json:
        """Everything but the value."""
        expires = render_time(self.expires_at) if self.expires_at else None
        return {
            "label": self.label,
            "permission": self.permission,
            "expires_at": expires,
            "revoked": self.revoked,
        }


class Tokens:
    """The shop's tokens, by label and by value."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._by_value: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        """Add a token; ValueError when its label or value is taken or its permission unknown."""
        if token.permission not in PERMISSIONS:
            raise ValueError(f"permission must be one of {', '.join(PERMISSIONS)}, not {token.permission!r}")
        if token.value in self._by_value or token.label in self.labels():
            raise ValueError(f"a token with the label {token.label!r} or the same value exists already")
        self._by_value[token.value] = token

    def revoke(self, label: str) -> None:
        """From now on 401 for this token; LookupError for an unknown label."""
        self._replace(replace(self._find(label), revoked=True))

    def expire(self, label: str, at: datetime | None = None) -> None:
        """Let the token expire at this moment, or now; LookupError for an unknown label."""
        self._replace(replace(self._find(label), expires_at=at or self._now()))

    def labels(self) -> list[str]:
        """All labels."""
        return [token.label for token in self._by_value.values()]

    def all(self) -> list[Token]:
        """All tokens, the revoked ones too."""
        return list(self._by_value.values())

    def label_of(self, value: str | None) -> str | None:
        """The label of a token value, `unknown` for a foreign one, None for no token."""
        if value is None:
            return None
        token = self._by_value.get(value)
        return token.label if token else "unknown"

    def admit(self, value: str | None, *, writes: bool) -> None:
        """UnauthorizedError or ForbiddenError unless this token may make the call."""
        if not value:
            raise UnauthorizedError("An API token is required")
        token = self._by_value.get(value)
        if token is None or token.revoked:
            raise UnauthorizedError("The API token is invalid")
        if token.expires_at is not None and token.expires_at <= self._now():
            raise UnauthorizedError("The API token has expired")
        if writes and token.permission != READ_WRITE:
            raise ForbiddenError("The API token has no write permission")

    def _find(self, label: str) -> Token:
        for token in self._by_value.values():
            if token.label == label:
                return token
        raise LookupError(f"no token has the label {label!r}")

    def _replace(self, token: Token) -> None:
        self._by_value[token.value] = token
