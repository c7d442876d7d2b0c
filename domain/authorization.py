"""Tokens that are renewed: what a platform gives, and when the next renewal is due (sales channels, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr

AHEAD = timedelta(minutes=5)
"""How long before its expiry a token is renewed, where it lives that long."""
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
"""Seconds after a renewal that failed until the next try, at first and at the most."""
UNTIL_AUTHORIZED = 10 * 365 * 86_400.0
"""Seconds for which a channel makes no call once only new tokens from a person can help: as good as for ever."""
SETTLED = timedelta(minutes=5)
"""A token refused sooner than this after it was got is not renewed again: a newer one would be refused as well."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, when it expires (``None`` where the platform does not say), and what gets the next one."""

    access: SecretStr
    refresh: SecretStr
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What is stored of a channel's authorization.

    ``version`` is that of its access token. ``interrupted`` says that a renewal of this version was begun and its end
    is not known: the platform may have taken the refresh token and the answer may be lost.
    """

    version: int
    refresh: SecretStr
    expires_at: datetime | None
    renewed_at: datetime | None
    interrupted: bool
    failures: int


def renew_at(expires_at: datetime, now: datetime) -> datetime:
    """When to renew a token got now: :data:`AHEAD` of its expiry, or half-way where it lives less than twice that."""
    return expires_at - min(AHEAD, (expires_at - now) / 2)


def wait_after_failure(failures: int) -> float:
    """Seconds until a renewal that failed ``failures`` times in a row is tried again."""
    return min(LONGEST_WAIT, FIRST_WAIT * float(1 << min(failures - 1, 20)))
