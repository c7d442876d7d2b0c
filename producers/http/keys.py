"""API keys: who a request speaks for."""

from __future__ import annotations

import asyncio
import hashlib
import time

from broker.operations import Desk
from producers.http.callers import Caller, caller_of_key, unauthorized
from producers.http.limits import HttpLimits
from producers.http.patience import Patience

_LONGEST_KEY = 256
_MOST_REMEMBERED = 1024


class Keys:
    """Looks keys up at the desk; a known one is remembered, by digest, for ``key_fresh_seconds``.

    Unknown and revoked keys are answered alike and never remembered, so that a new key works at once.
    Requests with the same key that come together share one look-up.
    """

    def __init__(self, desk: Desk, limits: HttpLimits) -> None:
        self._desk = desk
        self._limits = limits
        self._patience = Patience(limits.lookups)
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._asking: dict[bytes, asyncio.Task[Caller | None]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """Who the ``Authorization`` header speaks for.

        Raises:
            Refusal: 401 without a valid key.
            StorageUnavailable: it cannot be looked up now.
        """
        secret = _bearer(authorization)
        caller = await self._look_up(secret) if secret else None
        if caller is None:
            raise unauthorized()
        return caller

    async def _look_up(self, secret: str) -> Caller | None:
        digest = hashlib.sha256(secret.encode()).digest()
        now = time.monotonic()
        if (found := self._known.get(digest)) is not None and found[0] > now:
            return found[1]
        asking = self._asking.get(digest)
        if asking is None:
            work = self._patience.wait_for(self._ask(secret), self._limits.answer_seconds)
            asking = self._asking[digest] = asyncio.ensure_future(work)
            asking.add_done_callback(lambda task: self._heard(digest, now, task))
        return await asyncio.shield(asking)

    async def _ask(self, secret: str) -> Caller | None:
        holder = await self._desk.key_holder(secret)
        return caller_of_key(holder) if holder else None

    def _heard(self, digest: bytes, asked_at: float, task: asyncio.Task[Caller | None]) -> None:
        del self._asking[digest]
        self._known.pop(digest, None)
        if task.cancelled() or task.exception() is not None or (caller := task.result()) is None:
            return
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (asked_at + self._limits.key_fresh_seconds, caller)


def _bearer(authorization: str | None) -> str | None:
    scheme, _, secret = (authorization or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret.isascii() or len(secret) > _LONGEST_KEY:
        return None
    return secret
