"""``towpath tasks``: what waits for a person to map something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from console.cli.asking import look
from console.cli.clock import Zone, zone_of
from console.cli.options import AccountOption, ChannelOption, JsonOption, narrowed
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import DeliveryRow, MessageRow, Operations

MOST = 5000
"""Parked messages looked at; beyond that the counts are those of the newest."""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to map, and what it blocks: ``business_keys`` are up to ten orders or SKUs, oldest first."""

    account: str
    channel: str
    code: str
    sentence: str
    count: int
    oldest: datetime
    business_keys: tuple[str, ...]


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("tasks", rich_help_panel=panel)(tasks)


def tasks(
    context: typer.Context,
    account: AccountOption = None,
    channel: ChannelOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the missing mappings and what each holds up since when."""
    from broker.operations import MessageFilter  # noqa: PLC0415 - loads the models

    account, channel = narrowed(account, channel)
    wanted = MessageFilter(account, channel, state="parked", limit=MOST)

    async def work(operations: Operations) -> tuple[list[Task], Zone]:
        found = grouped(await operations.desk.messages(wanted), channel)
        return found, await zone_of(operations, (task.account for task in found))

    found, zone = look(context, work)
    if as_json:
        show_json(found)
    elif not found:
        tell("No mapping is missing: nothing waits for a person to map something.")
    else:
        _show(found, zone)


def grouped(rows: Sequence[MessageRow], channel: str | None) -> list[Task]:
    """One task for each channel, code and sentence (it names what is missing), what blocks most first."""
    groups: dict[tuple[str, str, str, str], list[tuple[DeliveryRow, str]]] = defaultdict(list)
    for row in rows:
        for each in row.deliveries:
            if each.state == "parked" and each.cause == "mapping" and channel in (None, each.channel):
                groups[row.account, each.channel, each.code, each.sentence].append((each, row.business_key))
    made = []
    for group, members in groups.items():
        members.sort(key=lambda member: (member[0].created_at, member[0].id))
        keys = tuple(dict.fromkeys(key for _, key in members))[:10]
        made.append(Task(*group, count=len(members), oldest=members[0][0].created_at, business_keys=keys))
    return sorted(made, key=lambda task: (-task.count, task.oldest))


def _show(found: Sequence[Task], zone: Zone) -> None:
    made = table(
        "Channel",
        "Blocks",
        "Since",
        "What is missing",
        "Orders or SKUs",
        numbers=("Blocks",),
        whole=("Since",),
    )
    for task in found:
        shown = ", ".join(task.business_keys[:3]) + (", …" if len(task.business_keys) > 3 else "")
        made.add_row(
            words(f"{task.account}/{task.channel}"),
            words(str(task.count)),
            words(zone.short(task.oldest)),
            words(task.sentence, "\n", (task.code, "dim")),
            words(shown),
        )
    show(made)
    where = f"{found[0].account}/{found[0].channel}"
    tell(f"Times in {zone.name}. Map a carrier: towpath channels settings {where} carriers.ups='UPS Ground'")
    tell(f"What waited for it goes on by itself; else: towpath replay --state parked --channel {where}")
