"""``towpath replay`` and ``towpath discard``: open deliveries again, or close them for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import actor_name
from console.cli.asking import change
from console.cli.failing import Refused
from console.cli.messages import state_of
from console.cli.options import (
    AccountOption,
    ChannelOption,
    JsonOption,
    OrderOption,
    SkuOption,
    business_key,
    narrowed,
)
from console.cli.printing import show_json, tell
from domain.errors import UnknownName

if TYPE_CHECKING:
    from broker.operations import MessageFilter, Operations

IdArguments = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of messages or deliveries.")]
StateOption = Annotated[
    str | None, typer.Option("--state", metavar="STATE", help="All in this state: dead, unknown, parked, waiting, …")
]
OPENABLE = frozenset({"dead", "unknown", "discarded", "skipped", "waiting", "parked"})
"""States from which a replay does something: it ended and may be opened again, or it waits and becomes due."""
CLOSABLE = frozenset({"dead", "unknown", "waiting", "parked", "behind", "ready"})
"""States from which a delivery can be discarded."""
AT_ONCE = 500
"""Messages that one replay by filter looks at."""


def add(app: typer.Typer, panel: str) -> None:
    """Put the commands into the program."""
    app.command("replay", rich_help_panel=panel)(replay)
    app.command("discard", rich_help_panel=panel)(discard)


def replay(  # noqa: PLR0913 - one option for each way to choose
    context: typer.Context,
    ids: IdArguments = None,
    order: OrderOption = None,
    sku: SkuOption = None,
    state: StateOption = None,
    account: AccountOption = None,
    channel: ChannelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run deliveries again.

    Those of the messages named, of an order or SKU, or all in a state. What ended dead, unknown, skipped or
    discarded goes to the end of its line; what waits or is parked is due at once. By order or SKU alone,
    skipped and discarded ones are left as they are.
    """
    key, wanted_state = business_key(order, sku), state_of(state)
    account, channel = narrowed(account, channel)
    if bool(ids) == bool(key or wanted_state):
        raise typer.BadParameter("name ids, or choose by --order, --sku or --state", param_hint="ID")
    if wanted_state and wanted_state not in OPENABLE:
        raise typer.BadParameter(f"what is {wanted_state} cannot be replayed", param_hint="--state")

    async def work(operations: Operations) -> tuple[int, int]:
        from broker.operations import MessageFilter  # noqa: PLC0415 - loads the models

        wanted = MessageFilter(account, channel, key, state=wanted_state, limit=AT_ONCE)
        chosen = await _named(operations, ids, OPENABLE) if ids else await _found(operations, wanted)
        return len(chosen), await operations.desk.replay(chosen, actor=actor_name()) if chosen else 0

    chosen, replayed = change(context, work)
    if ids and not replayed:
        raise Refused("Nothing was replayed: what is done, superseded, running or due already stays as it is.")
    if as_json:
        show_json({"matched": chosen, "replayed": replayed})
    elif not chosen:
        tell("Nothing to replay: no delivery that can be opened again matches.")
    else:
        more = " There may be more: run it again." if chosen >= AT_ONCE else ""
        tell(f"{_deliveries(replayed)} replayed.{more}")


def discard(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of messages or deliveries.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays with the delivery. No personal data.")],
    as_json: JsonOption = False,
) -> None:
    """Close deliveries for good, with the reason.

    They stay visible and can be replayed.
    """
    if not reason.strip():
        raise typer.BadParameter("say why in a few words", param_hint="--reason")

    async def work(operations: Operations) -> tuple[int, int]:
        chosen = await _named(operations, ids, CLOSABLE)
        if not chosen:
            return 0, 0
        return len(chosen), await operations.desk.discard(chosen, reason.strip(), actor=actor_name())

    chosen, closed = change(context, work)
    if not closed:
        raise Refused("Nothing was discarded: what ended well or is running stays as it is.")
    if as_json:
        show_json({"matched": chosen, "discarded": closed})
    else:
        tell(f"{_deliveries(closed)} discarded.")


async def _named(operations: Operations, ids: Sequence[str], states: frozenset[str]) -> list[str]:
    """The deliveries that the ids mean: one itself, or those of a message; only those in ``states``."""
    chosen: dict[str, None] = {}
    for each in ids:
        life = await operations.desk.message(each)
        if life is None:
            raise UnknownName(f"No message or delivery, or more than one, has the id {each!r}; nothing was changed.")
        members = life.message.deliveries
        exact = [delivery for delivery in members if delivery.id == each]
        chosen.update({delivery.id: None for delivery in exact or members if delivery.state in states})
    return list(chosen)


async def _found(operations: Operations, wanted: MessageFilter) -> list[str]:
    """The deliveries found that are in the state and on the channel asked for, oldest message first."""
    states = {wanted.state} if wanted.state else {"dead", "unknown", "waiting", "parked"}
    return [
        delivery.id
        for row in reversed(await operations.desk.messages(wanted))
        for delivery in row.deliveries
        if delivery.state in states and wanted.channel in (None, delivery.channel)
    ]


def _deliveries(count: int) -> str:
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"
