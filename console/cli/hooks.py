"""``towpath hooks``: the secret paths to which shops post what is new or changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from console.cli.acting import actor_name
from console.cli.asking import change, look
from console.cli.clock import Zone, zone_of
from console.cli.options import AccountOption, JsonOption, PlaceArgument, place
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import HookRow, Operations

app = typer.Typer(help="Hooks: where a shop posts what is new or changed.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="hooks", rich_help_panel=panel)


@app.command("list")
def list_hooks(context: typer.Context, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """List the hooks, without their secrets."""

    async def work(operations: Operations) -> tuple[Sequence[HookRow], Zone]:
        rows = await operations.care.hooks(account)
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
        return
    if not rows:
        tell("No channel has a hook. Make one: towpath hooks create ACCOUNT/CHANNEL")
        return
    made = table("Channel", "Automation", "Made", "Posts", "Last post", whole=("Channel",))
    for row in rows:
        times = zone.short(row.created_at), str(row.received), zone.short(row.received_at)
        made.add_row(*map(words, (f"{row.account}/{row.channel}", row.automation, *times)))
    show(made)
    tell(f"Times in {zone.name}.")


@app.command()
def create(context: typer.Context, where: PlaceArgument, as_json: JsonOption = False) -> None:
    """Make a hook and show its path, this once. One that was there works no longer."""
    account, channel = place(where)

    async def work(operations: Operations) -> str:
        return await operations.make_hook(account, channel, actor=actor_name())

    path = f"/hooks/{channel}/{change(context, work)}"
    if as_json:
        show_json({"account": account, "channel": channel, "path": path})
        return
    print(path)
    tell("Give the shop this path on the address where 'towpath serve' is reached. It is shown only now.")


@app.command()
def remove(context: typer.Context, where: PlaceArgument) -> None:
    """Take a hook away: what is posted to it is refused from now on."""
    account, channel = place(where)

    async def work(operations: Operations) -> None:
        await operations.care.remove_hook(account, channel, actor=actor_name())

    change(context, work)
    tell(f"Channel {where} has no hook any more.")
