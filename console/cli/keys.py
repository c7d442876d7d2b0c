"""``towpath keys``: API keys, and the keys that seal secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import actor_name
from console.cli.asking import change, doors_of
from console.cli.failing import say
from console.cli.options import JsonOption
from console.cli.printing import output, show_json, tell

if TYPE_CHECKING:
    from broker.operations import NewKey, Operations

app = typer.Typer(help="API keys, and the keys that encrypt stored secrets.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="keys", rich_help_panel=panel)


@app.command()
def create(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account the key speaks for.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="events:write (default), read, operate or admin; repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key for an account. It is shown this once and stored only as a digest."""

    async def work(operations: Operations) -> NewKey:
        return await operations.desk.create_key(account, scopes or ["events:write"], actor=actor_name())

    key = change(context, work)
    if as_json:
        show_json(key)
        return
    output().write(key.secret + "\n")
    say(f"This key speaks for {account} with {', '.join(key.scopes)}. Keep it now: it is not shown again.")


@app.command()
def rotate(context: typer.Context) -> None:
    """Seal every stored secret anew under the first key of TOWPATH_SECRET_KEYS; older ones may go then."""
    for sentence in doors_of(context).rotate_keys() or ["No secrets are stored; nothing to do."]:
        tell(sentence)
