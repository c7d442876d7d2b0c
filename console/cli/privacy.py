"""``towpath privacy``: how long personal data stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.options import JsonOption, place
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import Operations, Retention

app = typer.Typer(help="Personal data: how long they stay.")
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The code of the account.")]
_KEEP = "none"


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="privacy", rich_help_panel=panel)


@app.command("show")
def show_retention(context: typer.Context, account: AccountArgument, as_json: JsonOption = False) -> None:
    """Show the threshold of an account and of each of its channels."""

    async def work(operations: Operations) -> Retention:
        return await operations.care.retention(account)

    found = look(context, work)
    if as_json:
        show_json(found)
        return
    tell(f"Account {account}: {_days(found.days)}.")
    made = table("Channel", "Own", "Counts", "Erased", whole=("Channel",))
    for row in found.channels:
        own = "-" if row.own is None else str(row.own)
        often = "never" if row.period == "none" else row.period
        made.add_row(*map(words, (f"{account}/{row.channel}", own, _days(row.days), often)))
    show(made)


def _days(days: int | None) -> str:
    return "kept" if days is None else f"erased after {days} days"


@app.command()
def retention(
    context: typer.Context,
    where: Annotated[str, typer.Argument(metavar="ACCOUNT[/CHANNEL]", help="An account, or one of its channels.")],
    days: Annotated[str, typer.Argument(metavar="DAYS", help="A number of days, or none.")],
) -> None:
    """Set after how many days personal data of orders are erased. The channel's value wins over the account's.

    'none' keeps them; for a channel it lets the account's value count.
    """
    account, channel = place(where) if "/" in where else (where, None)
    wanted = _number(days)

    async def work(operations: Operations) -> None:
        await operations.set_retention(acting(), account, wanted, channel=channel)

    change(context, work)
    if wanted is None and channel is not None:
        tell(f"For {where} the value of account {account} counts now.")
    else:
        tell(f"Personal data of {where} are {_days(wanted)} now. See it: towpath privacy show {account}")


def _number(days: str) -> int | None:
    if days == _KEEP:
        return None
    try:
        return int(days)
    except ValueError:
        raise typer.BadParameter(f"{days!r} is no number of days: write 30, or none", param_hint="DAYS") from None
