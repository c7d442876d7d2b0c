"""``towpath channels create|enable|disable|token|authorize``: changes to channels."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import actor_name
from console.cli.asking import change
from console.cli.options import PlaceArgument, place
from console.cli.printing import tell

if TYPE_CHECKING:
    from broker.operations import Operations

TokenOption = Annotated[
    str | None,
    typer.Option("--token", metavar="TOKEN", help="Better left out: it is then asked for, unseen.", show_default=False),
]
StdinOption = Annotated[bool, typer.Option("--token-stdin", help="Read the token from standard input.")]


def add(group: typer.Typer) -> None:
    """Put the commands into the group of channels."""
    for command in (create, enable, disable, token, authorize):
        group.command(command.__name__)(command)


def create(  # noqa: PLR0913 - one option for each thing a channel needs
    context: typer.Context,
    account: Annotated[str, typer.Option(metavar="CODE", help="The account it belongs to.")],
    code: Annotated[str, typer.Option(metavar="CODE", help="Its short code in the account, as bright-main.")],
    name: Annotated[str, typer.Option(help="Its name, freely changed.")],
    domain: Annotated[str, typer.Option(metavar="DOMAIN", help="The shop's domain, as shop.example.com.")],
    platform: Annotated[str, typer.Option(metavar="PLATFORM", help="What the shop runs on.")] = "bright_sites",
    given: TokenOption = None,
    from_stdin: StdinOption = False,
) -> None:
    """Make a channel: a connection to one shop. Its jobs do not run on a schedule until a period is set."""
    secret = token_of(given, from_stdin=from_stdin)

    async def work(operations: Operations) -> str:
        from broker.operations import NewChannel  # noqa: PLC0415 - loads the models

        new = NewChannel(account, code, name, platform, domain, secret)
        return await operations.create_channel(new, actor=actor_name())

    change(context, work)
    tell(f"Channel {account}/{code} is there. Next: towpath channels check {account}/{code}")
    tell(f"and: towpath jobs period {account}/{code} order_import 15m")


def enable(context: typer.Context, where: PlaceArgument) -> None:
    """Let a channel work; what waited for it is due at once."""
    _switch(context, where, enabled=True)
    tell(f"Channel {where} is enabled; what waited for it goes on.")


def disable(context: typer.Context, where: PlaceArgument) -> None:
    """Stop a channel: no call is made; its work waits and nothing is lost."""
    _switch(context, where, enabled=False)
    tell(f"Channel {where} is disabled; its work waits. Let it go on: towpath channels enable {where}")


def _switch(context: typer.Context, where: str, *, enabled: bool) -> None:
    account, channel = place(where)

    async def work(operations: Operations) -> None:
        await operations.desk.change_channel(account, channel, enabled=enabled, actor=actor_name())

    change(context, work)


def token(
    context: typer.Context, where: PlaceArgument, given: TokenOption = None, from_stdin: StdinOption = False
) -> None:
    """Set a new access token; what waited for one goes on."""
    account, channel = place(where)
    secret = token_of(given, from_stdin=from_stdin)

    async def work(operations: Operations) -> None:
        await operations.desk.change_channel(account, channel, token=secret, actor=actor_name())

    change(context, work)
    tell(f"Channel {where} has a new token; what waited goes on. Test it: towpath channels check {where}")


def authorize(
    context: typer.Context,
    where: PlaceArgument,
    expires_in: Annotated[
        int | None, typer.Option("--expires-in", min=60, metavar="SECONDS", help="How long the access token lives.")
    ] = None,
) -> None:
    """Enter tokens of a platform that renews them: on standard input the access token, then the refresh token, each
    on a line.
    """
    account, channel = place(where)
    access, refresh = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    if not access or not refresh:
        raise typer.BadParameter("two lines are needed: the access token, then the refresh token", param_hint="stdin")

    async def work(operations: Operations) -> None:
        from pydantic import SecretStr  # noqa: PLC0415 - loaded only where tokens are entered

        from domain.authorization import Tokens  # noqa: PLC0415 - same
        from domain.moments import utc_now  # noqa: PLC0415 - same

        expires_at = utc_now() + timedelta(seconds=expires_in) if expires_in is not None else None
        tokens = Tokens(SecretStr(access), SecretStr(refresh), expires_at)
        await operations.care.authorize(account, channel, tokens, actor=actor_name())

    change(context, work)
    tell(f"Channel {where} is authorized; what waited goes on. It renews itself while its period is not none:")
    tell(f"towpath jobs period {where} authorization_refresh 30m")


def token_of(given: str | None, *, from_stdin: bool) -> str:
    """The token from the option, standard input, or a question whose answer is not shown.

    Raises:
        typer.BadParameter: none, or both ways at once; nobody to ask.
    """
    if given is not None and from_stdin:
        raise typer.BadParameter("give --token or --token-stdin, not both", param_hint="--token")
    if from_stdin:
        given = sys.stdin.readline()
    elif given is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                "there is nobody to ask for the token: pipe it in with --token-stdin", param_hint="--token"
            )
        given = str(typer.prompt("Access token (not shown)", hide_input=True, err=True))
    if not given.strip():
        raise typer.BadParameter("the token is empty", param_hint="--token")
    return given.strip()
