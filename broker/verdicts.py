"""From what a handler answered, or raised, to what the ledger writes: one border table.

answer / error            state        waits                     spends an attempt
Done, Superseded,
  Skipped, Unknown, Dead  final        -                         -
Retry                     open         retry ladder; then dead   yes
Park                      open         as asked                  no
ShopRejected              dead         -                         -
ShopUnauthorized          open         60 s                      no
ShopThrottled             open         Retry-After               no
ShopDown, no answer,
  gate closed by it       open         gate                      no
ShopDown otherwise        open         retry ladder; then dead   yes
ShopOutcomeUnknown        open+unsure  retry ladder; then unknown yes
GateClosed                open         until it opens            no, and no log row for a repeated wait
InputError                dead         -                         -
StorageUnavailable,
  LeaseLost               open         1 s                       no
another TowpathError      open         retry ladder; then dead   yes
anything else             open         retry ladder; then dead   yes (Fatal)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from broker.gates import BUDGET, UNAUTHORIZED_SECONDS, GateClosed
from broker.handling import Answer
from broker.ledger import Claim, Delivery, Settlement, Verdict
from broker.retry import wait_after
from domain.errors import (
    InputError,
    LeaseLost,
    ShopDown,
    ShopOutcomeUnknown,
    ShopRejected,
    ShopThrottled,
    ShopUnauthorized,
    StorageUnavailable,
    TowpathError,
)
from domain.outcomes import Dead, Done, Effects, Outcome, Park, Retry, Skipped, Superseded, Unknown
from domain.states import DeliveryState
from domain.synclog import ApiCall, Level

GATE_CAUSES = frozenset({"throttled", "shop_down", "unauthorized"})
"""Waits that a channel's gate imposes; passing from one to another is still the same wait."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """When an attempt ran and which calls it made."""

    started_at: datetime
    finished_at: datetime
    calls: tuple[ApiCall, ...] = ()


def _verdict(
    delivery: Delivery, attempt: Attempt, state: DeliveryState, outcome: str, level: Level, **rest: object
) -> Verdict:
    return Verdict(
        delivery=delivery,
        state=state,
        outcome=outcome,
        level=level,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        calls=attempt.calls,
        **rest,  # type: ignore[arg-type]
    )


def judge(outcome: Outcome, delivery: Delivery, attempt: Attempt) -> Verdict:
    """The verdict for a handler's answer. An answer outside the closed set is a failure."""
    if isinstance(outcome, Retry):
        return _retry(outcome, delivery, attempt, Level.ERROR)
    if isinstance(outcome, Park):
        # That a budget holds calls is told once for the channel, not for each delivery that waits.
        repeated = not attempt.calls and (
            delivery.cause == outcome.cause or {delivery.cause, outcome.cause} <= GATE_CAUSES or outcome.cause == BUDGET
        )
        return _verdict(
            delivery, attempt, DeliveryState.OPEN, "Park", Level.WARNING, code=outcome.code, sentence=outcome.sentence,
            cause=outcome.cause, due_in=outcome.until_seconds, unsure=delivery.unsure, logged=not repeated,
            missing=outcome.missing,
        )  # fmt: skip
    return _final(outcome, delivery, attempt)


def _final(outcome: Outcome, delivery: Delivery, attempt: Attempt) -> Verdict:
    states: dict[type, tuple[DeliveryState, Level]] = {
        Done: (DeliveryState.DONE, Level.INFO),
        Superseded: (DeliveryState.SUPERSEDED, Level.INFO),
        Skipped: (DeliveryState.SKIPPED, Level.INFO),
        Unknown: (DeliveryState.UNKNOWN, Level.ERROR),
        Dead: (DeliveryState.DEAD, Level.ERROR),
    }
    if type(outcome) not in states:
        return judge_error(TypeError(f"a handler answered {type(outcome).__name__}"), delivery, attempt)
    state, level = states[type(outcome)]
    if isinstance(outcome, Done) and outcome.warning:
        level = Level.WARNING
    effects = outcome.effects if isinstance(outcome, Done | Superseded | Skipped) else Effects()
    return _verdict(
        delivery, attempt, state, type(outcome).__name__, level, code=outcome.code, sentence=outcome.sentence,
        superseded_by=outcome.by if isinstance(outcome, Superseded) else None, counts=effects.counts, effects=effects,
        logged=not (isinstance(outcome, Skipped) and outcome.silent),
    )  # fmt: skip


def _retry(outcome: Retry, delivery: Delivery, attempt: Attempt, level: Level, *, unsure: bool = False) -> Verdict:
    wait = wait_after(delivery.failures + 1, delivery.id)
    if wait is None:
        if unsure or delivery.unsure:
            return _final(
                Unknown(
                    f"{outcome.sentence} It could not be found out in {delivery.failures + 1} tries: look into the "
                    f"shop, then replay or discard."
                ),
                delivery,
                attempt,
            )
        return _final(
            Dead(f"Gave up after {delivery.failures + 1} failures. {outcome.sentence}", outcome.code),
            delivery,
            attempt,
        )
    return _verdict(
        delivery, attempt, DeliveryState.OPEN, "Retry", level,
        code=outcome.code, sentence=outcome.sentence, cause="retry",
        due_in=outcome.after_seconds if outcome.after_seconds is not None else wait, spends_attempt=True,
        unsure=unsure or delivery.unsure,
    )  # fmt: skip


def judge_error(error: Exception, delivery: Delivery, attempt: Attempt, *, gate_closed: bool = False) -> Verdict:
    """The verdict for what a handler raised. ``gate_closed`` tells whether the channel's gate took it for the shop's
    trouble: an answer that never comes, while all others do, is the delivery's own."""
    match error:
        case GateClosed():
            parked = Park(error.sentence, error.code, error.cause, error.seconds)  # type: ignore[arg-type]
        case ShopUnauthorized():
            parked = Park(
                f"{error.sentence} Enter a working token; the work waits.",
                error.code,
                "unauthorized",
                UNAUTHORIZED_SECONDS,
            )
        case ShopThrottled():
            parked = Park(error.sentence, error.code, "throttled", error.retry_after or 1.0)
        case ShopDown() if error.status is None and gate_closed:
            parked = Park(error.sentence, error.code, "shop_down", 1.0)
        case ShopOutcomeUnknown():
            return _retry(Retry(error.sentence, error.code), delivery, attempt, Level.ERROR, unsure=True)
        case ShopRejected() | InputError():
            return _final(Dead(error.sentence, error.code), delivery, attempt)
        case StorageUnavailable() | LeaseLost():
            return _our_own_trouble(error, delivery, attempt)
        case TowpathError():
            return _retry(Retry(error.sentence, error.code), delivery, attempt, Level.ERROR)
        case _:
            sentence = (
                f"Unexpected {type(error).__name__}; it will be tried again. The log of the worker has the details."
            )
            return _retry(Retry(sentence, "unexpected"), delivery, attempt, Level.FATAL)
    return judge(parked, delivery, attempt)


def _our_own_trouble(error: TowpathError, delivery: Delivery, attempt: Attempt) -> Verdict:
    """Database or lease failed us: that is no failure of the delivery, and nothing was found out about it."""
    return _verdict(
        delivery, attempt, DeliveryState.OPEN, "Retry", Level.WARNING, code=error.code, sentence=error.sentence,
        cause="retry", due_in=1.0, unsure=delivery.unsure, logged=bool(attempt.calls),
    )  # fmt: skip


MAY_RUN_AGAIN = frozenset({DeliveryState.OPEN, DeliveryState.DEAD, DeliveryState.UNKNOWN})
"""States from which a delivery may come back, by itself or by replay: whether it may have written must not be
forgotten.
"""


def judge_run(
    claim: Claim, answers: Sequence[Answer] | Exception, attempt: Attempt, *, gate_closed: bool, wrote: bool
) -> tuple[Verdict, ...]:
    """One verdict per delivery of a run, which may have begun to write at the shop (``wrote``); its calls are told
    once, on the first delivery that made something happen.
    """
    silent = replace(attempt, calls=())
    if isinstance(answers, Exception):
        verdicts = [
            judge_error(answers, delivery, attempt if not at else silent, gate_closed=gate_closed)
            for at, delivery in enumerate(claim.deliveries)
        ]
    else:
        bearer = next(
            (at for at, answer in enumerate(answers) if type(answer).__name__ not in ("Superseded", "Skipped")), 0
        )
        verdicts = [
            _verdict_of(answer, delivery, attempt if at == bearer else silent, gate_closed=gate_closed)
            for at, (answer, delivery) in enumerate(zip(answers, claim.deliveries, strict=True))
        ]
    return tuple(
        replace(each, unsure=wrote or each.unsure or each.delivery.unsure) if each.state in MAY_RUN_AGAIN else each
        for each in verdicts
    )


def _verdict_of(answer: Answer, delivery: Delivery, attempt: Attempt, *, gate_closed: bool) -> Verdict:
    if isinstance(answer, Exception):
        return judge_error(answer, delivery, attempt, gate_closed=gate_closed)
    return judge(answer, delivery, attempt)


def unsettled(settlement: Settlement, error: Exception) -> Settlement:
    """The settlement of a claim whose outcome could not be written: its writes may have reached the shop."""
    return replace(
        settlement,
        verdicts=tuple(
            replace(
                judge_error(error, each.delivery, Attempt(each.started_at, each.finished_at, each.calls)), unsure=True
            )
            for each in settlement.verdicts
        ),
    )
