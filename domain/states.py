"""The states of a delivery and the moves between them: one table, drawn in ``docs/states.md``."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery stands. All but ``OPEN`` are final until a person replays."""

    OPEN = "open"
    DONE = "done"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    DEAD = "dead"
    DISCARDED = "discarded"


FINAL = frozenset(DeliveryState) - {DeliveryState.OPEN}

MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.OPEN: FINAL | {DeliveryState.OPEN},
    DeliveryState.DONE: frozenset(),
    DeliveryState.SUPERSEDED: frozenset(),
    DeliveryState.SKIPPED: frozenset({DeliveryState.OPEN}),
    DeliveryState.UNKNOWN: frozenset({DeliveryState.OPEN, DeliveryState.DISCARDED}),
    DeliveryState.DEAD: frozenset({DeliveryState.OPEN, DeliveryState.DISCARDED}),
    DeliveryState.DISCARDED: frozenset({DeliveryState.OPEN}),
}
"""From a state to the states it may become. Back to ``OPEN`` is a replay, asked for by a person."""


class LaneState(StrEnum):
    """Where a lane stands: the line of open deliveries that must not overtake one another."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    PARKED = "parked"


class LaneKind(StrEnum):
    """``FIFO``: one delivery at a time, in order. ``BULK``: all that are open at once, newest value wins."""

    FIFO = "fifo"
    BULK = "bulk"


def may_move(old: DeliveryState, new: DeliveryState) -> bool:
    """Whether :data:`MOVES` allows the step."""
    return new in MOVES[old]
