"""``towpath users sessions`` and ``towpath users sign-out``: where somebody is signed in, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.clock import local_zone
from console.cli.options import JsonOption
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import OpenSession, Operations

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address of the user.")]


def add(users: typer.Typer) -> None:
    """Put the commands into the group of users."""
    users.command("sessions")(list_sessions)
    users.command("sign-out")(sign_out)


def list_sessions(context: typer.Context, email: EmailArgument, as_json: JsonOption = False) -> None:
    """List the open sessions of a user, the last used first."""

    async def work(operations: Operations) -> Sequence[OpenSession]:
        return await operations.people.sessions(acting(), email)

    rows = look(context, work)
    if as_json:
        show_json(rows)
        return
    if not rows:
        tell(f"User {email} is signed in nowhere.")
        return
    made, zone = (
        table("Id", "Begun (local)", "Last used (local)", "Over at the latest (local)", whole=("Id",)),
        local_zone(),
    )
    for row in rows:
        made.add_row(*map(words, (row.id, *map(zone.full, (row.created_at, row.last_used_at, row.expires_at)))))
    show(made)


def sign_out(
    context: typer.Context,
    email: EmailArgument,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Only this one; all where none is given.")
    ] = None,
) -> None:
    """End the sessions of a user at once; it may sign in again unless it is disabled."""

    async def work(operations: Operations) -> int:
        return await operations.people.end_sessions(acting(), email, session)

    count = change(context, work)
    tell(f"User {email} is signed out; sessions ended: {count}.")
