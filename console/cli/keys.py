"""``towpath keys``: API keys, and the keys that seal secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import change, doors_of, look
from console.cli.clock import Zone, zone_of
from console.cli.failing import say
from console.cli.options import JsonOption
from console.cli.printing import output, show, show_json, table, tell, words
from domain.moments import utc_now

if TYPE_CHECKING:
    from broker.operations import KeyRow, NewKey, Operations

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account the key speaks for.")]
app = typer.Typer(help="API keys, and the keys that encrypt stored secrets.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="keys", rich_help_panel=panel)


@app.command("list")
def list_keys(context: typer.Context, account: AccountArgument, as_json: JsonOption = False) -> None:
    """List the API keys of an account, revoked ones too; never their secrets."""

    async def work(operations: Operations) -> tuple[Sequence[KeyRow], Zone]:
        rows = await operations.keys.listed(acting(), account)
        return rows, await zone_of(operations, (account,))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell(f"Account {account} has no API keys. Make one: towpath keys create {account} --scope read")
    else:
        _show(rows, zone)


def _show(rows: Sequence[KeyRow], zone: Zone) -> None:
    made = table("Id", "Name", "Begins", "Scopes", "Made", "State", whole=("Id",))
    now = utc_now()
    for row in rows:
        if row.revoked_at is None:
            state = words(("valid", "ok"))
        elif row.revoked_at > now:
            state = words(("valid", "ok"), f" until {zone.short(row.revoked_at)}")
        else:
            state = words(("revoked", "disabled"))
        made.add_row(
            words(row.id),
            words(row.name or "-"),
            words(row.prefix),
            words(", ".join(row.scopes)),
            words(zone.short(row.created_at)),
            state,
        )
    show(made)
    tell(f"Times in {zone.name}.")


@app.command()
def create(
    context: typer.Context,
    account: AccountArgument,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="events:write (default), read, operate or admin; repeatable."),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for, as people will read it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make an API key for an account. It is shown this once and stored only as a digest."""

    async def work(operations: Operations) -> NewKey:
        return await operations.keys.create(acting(), account, scopes or ["events:write"], name)

    _tell_once(change(context, work), as_json=as_json)


@app.command()
def rotate(
    context: typer.Context,
    account: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="The account of the API key.")] = None,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Its id.")] = None,
    grace: Annotated[int, typer.Option(metavar="HOURS", min=0, help="For how long the old key works on.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make an API key anew, with its name and scopes; the old one stops, at once or after a grace of up to 168 hours.

    Without a key: seal every stored secret anew under the first key of TOWPATH_SECRET_KEYS; older ones may go then.
    """
    if account is None:
        for sentence in doors_of(context).rotate_keys() or ["No secrets are stored; nothing to do."]:
            tell(sentence)
        return
    if key is None:
        raise typer.BadParameter(f"say which key; see 'towpath keys list {account}'", param_hint="KEY")
    code, which = account, key

    async def work(operations: Operations) -> NewKey:
        return await operations.keys.rotate(acting(), code, which, timedelta(hours=grace))

    _tell_once(change(context, work), as_json=as_json)


@app.command()
def revoke(
    context: typer.Context,
    account: AccountArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id.")],
) -> None:
    """Stop an API key, within a second everywhere."""

    async def work(operations: Operations) -> None:
        await operations.keys.revoke(acting(), account, key)

    change(context, work)
    tell(f"API key {key} of {account} is revoked.")


def _tell_once(key: NewKey, *, as_json: bool) -> None:
    if as_json:
        show_json(key)
        return
    output().write(key.secret + "\n")
    say(f"This key speaks for {key.account} with {', '.join(key.scopes)}. Keep it now: it is not shown again.")
