"""The ten order statuses and which moves PUT may make (facts §4)."""

from __future__ import annotations

from sandbox.bright_sites.answers import InvalidError

STATUSES = (
    "new",
    "billed",
    "paid",
    "in_progress",
    "split",
    "shipped",
    "completed",
    "back_ordered",
    "canceled",
    "moas_pending",
)

_ONWARD = frozenset({"billed", "paid", "in_progress", "split", "back_ordered", "shipped", "completed", "canceled"})

MOVES: dict[str, frozenset[str]] = {
    "moas_pending": frozenset({"new", "canceled"}),
    "canceled": frozenset(),
    "completed": frozenset(),
    **dict.fromkeys(("new", "billed", "paid", "in_progress", "split", "back_ordered", "shipped"), _ONWARD),
}
"""From each status the statuses it may move to. Only the rows of `new`, `moas_pending`, `canceled` and
`completed` are stated; the orders in work share the row of `new` here."""


def check_move(old: str, new: str) -> None:
    """InvalidError when the move is not in the table; staying is always allowed."""
    if old != new and new not in MOVES[old]:
        raise InvalidError(f"Status cannot change from {old} to {new}", "order[status]")
