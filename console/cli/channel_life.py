"""``towpath channels test|edit|delete``: a connection tried before it is saved, another name or shop, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.channel_changes import StdinOption, TokenOption, token_of
from console.cli.failing import FAILED
from console.cli.options import JsonOption, PlaceArgument, place
from console.cli.printing import show_json, tell

if TYPE_CHECKING:
    from broker.operations import Operations
    from domain.ports import ConnectionCheck

DomainOption = Annotated[
    str | None, typer.Option(metavar="DOMAIN", help="The shop's domain, as shop.example.com.", show_default=False)
]


def add(group: typer.Typer) -> None:
    """Put the commands into the group of channels."""
    for command in (test, edit, delete):
        group.command(command.__name__)(command)


def test(
    context: typer.Context,
    where: Annotated[
        str, typer.Argument(metavar="ACCOUNT[/CHANNEL]", help="The account of a new channel, or a channel to edit.")
    ],
    domain: DomainOption = None,
    platform: Annotated[str, typer.Option(metavar="PLATFORM", help="What a new shop runs on.")] = "bright_sites",
    given: TokenOption = None,
    from_stdin: StdinOption = False,
    as_json: JsonOption = False,
) -> None:
    """Test a connection before it is saved: whether shop and token work and the token may write. Exit code 1 if not."""
    account, slash, _ = where.partition("/")
    if not slash and domain is None:
        raise typer.BadParameter("a new channel needs one", param_hint="--domain")
    secret = token_of(given, from_stdin=from_stdin)

    async def work(operations: Operations) -> ConnectionCheck:
        from broker.operations import Credentials  # noqa: PLC0415 - loads the models

        if slash:
            return await operations.life.test_edit(acting(), *place(where), domain, secret)
        return await operations.life.test(acting(), account, Credentials(platform, domain or "", secret))

    found = change(context, work)
    if as_json:
        show_json(found)
    else:
        tell(found.sentence)
    raise typer.Exit(0 if found.reachable and found.may_write else FAILED)


def edit(
    context: typer.Context,
    where: PlaceArgument,
    name: Annotated[str | None, typer.Option(help="Another name.", show_default=False)] = None,
    domain: DomainOption = None,
    given: TokenOption = None,
    from_stdin: StdinOption = False,
) -> None:
    """Change the name or the Shop Domain of a channel; another domain needs a token for it, which is asked for."""
    account, channel = place(where)
    asked = domain is not None or given is not None or from_stdin
    secret = token_of(given, from_stdin=from_stdin) if asked else None

    async def work(operations: Operations) -> str:
        from broker.operations import ChannelEdit  # noqa: PLC0415 - loads the models

        row = await operations.life.edit(acting(), account, channel, ChannelEdit(name, domain, secret))
        return f"Channel {where} is {row.name!r} at {row.domain}, token …{row.token_ending}."

    tell(change(context, work))


def delete(
    context: typer.Context,
    where: PlaceArgument,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a channel: its jobs stop, what waits is closed, its domain is free. Its history stays readable."""
    account, channel = place(where)

    async def ask(operations: Operations) -> int:
        return (await operations.life.row(account, channel)).waiting

    waiting = look(context, ask)
    if not sure and not typer.confirm(f"Delete channel {where}? {waiting} waiting deliveries are closed.", err=True):
        raise typer.Exit(FAILED)

    async def work(operations: Operations) -> int:
        return await operations.life.delete(acting(), account, channel)

    closed = change(context, work)
    tell(
        f"Channel {where} is deleted; {closed} waiting deliveries are closed. "
        f"Its history: towpath logs --channel {where}"
    )
