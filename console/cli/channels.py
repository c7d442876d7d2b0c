"""``towpath channels``: the connections to shops, listed and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from console.cli import channel_calls, channel_changes, channel_life, channel_settings
from console.cli.asking import look
from console.cli.clock import Zone, zone_of
from console.cli.failing import FAILED
from console.cli.options import AccountOption, JsonOption, PlaceArgument, place
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import ChannelRow, Operations
    from domain.ports import ConnectionCheck


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    group = typer.Typer(help="Sales channels: the connections to shops.")
    group.command("list")(list_channels)
    group.command("check")(check)
    channel_calls.add(group)
    channel_changes.add(group)
    channel_life.add(group)
    channel_settings.add(group)
    program.add_typer(group, name="channels", rich_help_panel=panel)


def list_channels(context: typer.Context, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """List the channels: how each stands, what waits and fails, what it called today."""

    async def work(operations: Operations) -> tuple[Sequence[ChannelRow], Zone]:
        rows = await operations.desk.channels(account)
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("There are no channels yet. Make one: 'towpath channels create --help' tells how.")
    else:
        _show(rows, zone)


def _show(rows: Sequence[ChannelRow], zone: Zone) -> None:
    made = table("Channel", "Shop", "State", "Work", "Last active", whole=("Work", "Last active"))
    for row in rows:
        reason = ("\n", row.state_reason) if row.state_reason else ()
        state = row.state if row.state in ("connected", "disabled") else "wrong"
        failing = (f"{row.failing} failing", "dead" if row.failing else "dim")
        budget = row.settings.calls_per_day
        calls = f"{row.calls_today} of {budget} calls today" if budget else f"{row.calls_today} calls today"
        made.add_row(
            words(f"{row.account}/{row.code}", "\n", (row.name, "dim")),
            words(row.domain, "\n", (f"{row.platform} {row.version}, token …{row.token_ending}", "dim")),
            words((row.state, state), *reason),
            words(f"{row.waiting} waiting", "\n", failing, "\n", (calls, "dim")),
            words(zone.short(row.last_activity)),
        )
    show(made)
    tell(f"Times in {zone.name}. What fails: towpath messages --state dead")


def check(context: typer.Context, where: PlaceArgument, as_json: JsonOption = False) -> None:
    """Test the connection: whether shop and token work and the token may write. Exit code 1 where not."""
    account, channel = place(where)

    async def work(operations: Operations) -> ConnectionCheck:
        return await operations.check_channel(account, channel)

    found = look(context, work)
    if as_json:
        show_json(found)
    else:
        tell(found.sentence)
    raise typer.Exit(0 if found.reachable and found.may_write else FAILED)
