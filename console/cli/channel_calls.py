"""``towpath channels budget|calls``: how many API calls were made, why, and how they stand against the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.asking import look
from console.cli.clock import Zone
from console.cli.options import JsonOption, PlaceArgument, place
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from datetime import datetime

    from broker.operations import BudgetUse, CallCount, Operations

_STYLES = {"ok": "ok", "warning": "warning", "critical": "wrong", "spent": "wrong"}


def add(group: typer.Typer) -> None:
    """Put the commands into the group of channels."""
    group.command("budget")(budget)
    group.command("calls")(calls)


def budget(context: typer.Context, where: PlaceArgument, as_json: JsonOption = False) -> None:
    """Show the API-call budget: used and left, who must wait, when it ends, and what the calls were made for.

    Set it: towpath channels settings ACCOUNT/CHANNEL calls_per_day=5000 calls_per_month=100000
    """
    account, channel = place(where)

    async def work(operations: Operations) -> BudgetUse:
        return await operations.calls.budget(account, channel)

    found = look(context, work)
    if as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: BudgetUse) -> None:
    zone = _zone(found.timezone)
    made = table("Window", "Used", "Of", "Left", "Ends", numbers=("Used", "Of", "Left"))
    for each in found.windows:
        made.add_row(
            words(each.window), words(str(each.used)), words(_count(each.limit)), words(_count(each.left)),
            words(_time(zone, each.ends)),
        )  # fmt: skip
    show(made)
    if any(each.limit is not None for each in found.windows):
        made = table("Calls for", "Left", "Now", numbers=("Left",))
        for kind in found.classes:
            stands = ("may go", "ok") if kind.until is None else (f"wait until {_time(zone, kind.until)}", "waiting")
            made.add_row(words(kind.name), words(_count(kind.left)), words(stands))
        show(made)
        ends = "lasts at the present rate" if found.ends_at is None else f"ends {_time(zone, found.ends_at)}"
        show(words("Level ", (found.level, _STYLES[found.level]), f"; the budget {ends}."))
    if found.calls:
        made = table("Job", "Cause", "Today", "This month", numbers=("Today", "This month"))
        for row in found.calls:
            made.add_row(words(row.job or "-"), words(row.cause), words(str(row.today)), words(str(row.month)))
        show(made)
    tell(found.sentence)
    tell(f"Times in {zone.name}.")


def calls(
    context: typer.Context,
    where: PlaceArgument,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many days back, today included.")] = 31,
    as_json: JsonOption = False,
) -> None:
    """List the API calls of each day by job and cause: first try, retry, replay, manual."""
    account, channel = place(where)

    async def work(operations: Operations) -> Sequence[CallCount]:
        return await operations.calls.counts(account, channel, days)

    found = look(context, work)
    if as_json:
        show_json(found)
    elif not found:
        tell(f"No API call was made for {where} in this time.")
    else:
        made = table("Day", "Job", "Cause", "Calls", numbers=("Calls",), whole=("Day",))
        for row in found:
            made.add_row(words(row.day.isoformat()), words(row.job or "-"), words(row.cause), words(str(row.calls)))
        show(made)


def _zone(name: str) -> Zone:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - loaded only where times are shown

    return Zone(ZoneInfo(name), name)


def _time(zone: Zone, moment: datetime) -> str:
    return f"{zone.local(moment):%Y-%m-%d %H:%M}"


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)
