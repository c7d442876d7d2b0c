"""Renew the token of a channel (sales channels, section 3): one renewal at a time, and none that overwrites another.

All ticks of a channel stand in one lane, so one of them runs at a time; what a worker that was taken for dead may still
have in hand is kept out by the token's version.
"""

from __future__ import annotations

import asyncio

import structlog

from broker.crash import crash_point
from broker.handling import Handler, Run, single
from broker.renewal import REFUSED, Renewals, Ungated
from domain.authorization import SETTLED, UNTIL_AUTHORIZED, Authorization, Tokens, wait_after_failure
from domain.errors import ShopDown, ShopError, ShopRejected, ShopThrottled, ShopUnauthorized, StorageUnavailable
from domain.events import Tick
from domain.moments import iso
from domain.outcomes import Counts, Done, Effects, Outcome, Park, Retry, Skipped
from domain.ports import Refresher

log = structlog.get_logger(__name__)

AWAY_SECONDS = 1.0
"""How long a database that is away is left alone before tokens are to be stored again."""


def authorization_refresh(renewals: Renewals, refresher: Refresher) -> Handler:
    """The handler, with what stores tokens and what gets new ones."""

    async def handle(run: Run) -> Outcome:
        if not run.channel.renews:
            return Skipped(f"Channel {run.channel.code} has a token that is not renewed.", "not_renewed")
        known = await renewals.known(run.channel)
        if known is None:
            return _wait(run, "It was never authorized.", "not_authorized", None)
        return _needless(run, known) or await _renew(run, known, renewals, refresher)

    return single(handle)


def _needless(run: Run, known: Authorization) -> Outcome | None:
    """Why no renewal is made now, if so."""
    payload = run.item.payload
    assert isinstance(payload, Tick)
    if known.renewed_at is None:
        return None
    if known.renewed_at > run.item.delivery.created_at:
        return Skipped(f"It was renewed at {iso(known.renewed_at)}, after this was asked for.", "renewed_already")
    age = run.clock() - known.renewed_at
    if payload.schedule == REFUSED and age < SETTLED:
        seconds = (SETTLED - age).total_seconds()
        return _wait(run, "A token that was got just now was refused.", "fresh_token_refused", seconds)
    return None


async def _renew(run: Run, known: Authorization, renewals: Renewals, refresher: Refresher) -> Outcome:
    """Ask for new tokens and store them.

    The note that it begins is durable before the call. A process that dies between the platform's answer and the
    storing of it loses that answer: then the old refresh token is tried again, at once, since nothing better is known
    and many platforms allow it for a moment. One that refuses it must be authorized anew by a person.
    """
    channel = run.channel
    if not await renewals.begin(channel, known.version):
        return Retry("The tokens were replaced just now.", "tokens_replaced", 1.0)
    crash_point("renewal.before_call")
    try:
        tokens = await refresher.refresh(channel, known.refresh, Ungated(run.guard))
    except ShopError as error:
        return await _failed(run, known, renewals, error)
    crash_point("renewal.after_call")
    if not await _store(run, known, renewals, tokens):
        return Skipped("Newer tokens were entered meanwhile; those just got are not used.", "tokens_replaced")
    crash_point("renewal.after_store")
    return _renewed(tokens)


async def _store(run: Run, known: Authorization, renewals: Renewals, tokens: Tokens) -> bool:
    """Store tokens, however long the database stays away (up to the run's end): only this process has them, and the
    platform may not give them again. False where others stand in their place.
    """
    unsure = False
    while True:
        try:
            stored = await renewals.store(run.channel, known.version, tokens)
            if stored or not unsure:
                return stored
            now = await renewals.known(run.channel)
            return now is not None and now.refresh == tokens.refresh
        except StorageUnavailable as error:
            unsure = True
            log.warning("tokens_not_stored", channel=run.channel.code, reason=error.sentence)
            await asyncio.sleep(AWAY_SECONDS)


def _renewed(tokens: Tokens) -> Done:
    until = f" It is valid until {iso(tokens.expires_at)}." if tokens.expires_at else ""
    return Done(f"The authorization is renewed; what waited for it goes on.{until}", effects=Effects(Counts(updated=1)))


async def _failed(run: Run, known: Authorization, renewals: Renewals, error: ShopError) -> Outcome:
    refused = isinstance(error, ShopUnauthorized | ShopRejected)
    never_sent = isinstance(error, ShopThrottled) or (isinstance(error, ShopDown) and not error.reached)
    wait = UNTIL_AUTHORIZED if refused else wait_after_failure(known.failures + 1)
    if isinstance(error, ShopThrottled) and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    told = error.sentence
    if refused and known.interrupted:
        told += " An earlier renewal broke off before its answer was stored; the platform may take the token for used."
    outcome = _wait(run, told, "renewal_refused" if refused else "renewal_failed", None if refused else wait)
    await renewals.fail(run.channel, known.version, outcome.sentence, wait, lost=not (refused or never_sent))
    return outcome


def _wait(run: Run, told: str, code: str, seconds: float | None) -> Park:
    next_step = (
        f"Authorize it anew: towpath channels authorize {run.channel.account}/{run.channel.code}"
        if seconds is None
        else f"It is tried again in {seconds:.0f} s."
    )
    return Park(
        f"Channel {run.channel.code} is disconnected; its work waits. {told} {next_step}", code, "unauthorized", seconds
    )
