"""How sync log rows look on a terminal: a table of what is there, plain lines while following."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.cli.clock import Zone
from console.cli.printing import show, table, tell, words

if TYPE_CHECKING:
    from broker.operations import LogRow


def show_rows(rows: Sequence[LogRow], zone: Zone, limit: int) -> None:
    """A table, newest first, with what to ask next below it."""
    made = table(
        "Time",
        "Channel and job",
        "Order or SKU",
        "Outcome",
        "What happened",
        whole=("Time, message", "Outcome"),
    )
    for row in rows:
        made.add_row(
            words(zone.short(row.finished_at), "\n", (row.message_id[-8:], "dim")),
            words(f"{row.account}/{row.channel}", "\n", (row.job, "dim")),
            words(row.business_key or "-"),
            words((row.outcome, _style(row)), *_remark(row)),
            words(row.sentence),
        )
    show(made)
    more = f" The newest {limit}; there may be more (--limit)." if len(rows) == limit else ""
    tell(f"Times in {zone.name}. The life of a message: towpath messages show {rows[0].message_id[-8:]}.{more}")


def _style(row: LogRow) -> str:
    return row.level if row.level != "Info" else row.outcome


def _remark(row: LogRow) -> list[str | tuple[str, str]]:
    """Below the outcome: which attempt where it was not the first, the level where it is more than Info."""
    facts = [f"attempt {row.attempt}"] if row.attempt > 1 else []
    facts += [row.level] if row.level != "Info" else []
    return [part for fact in facts for part in ("\n", (fact, "dim"))]


def tell_row(row: LogRow, zone: Zone) -> None:
    """One line as it comes in."""
    tell(
        f"{zone.full(row.finished_at)}  {row.level:<7}  {row.outcome:<10}  {row.account}/{row.channel}  "
        f"{row.job}  {row.business_key or '-'}  {row.sentence}"
    )
