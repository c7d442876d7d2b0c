"""``towpath replay`` and ``towpath discard``: open deliveries again, or close them for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.asking import change
from console.cli.failing import Refused
from console.cli.messages import may_open, state_of
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
    from broker.operations import DeliveryRow, MessageFilter, Operations

IdArguments = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of messages or deliveries.")
]
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
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="All in this state: dead, unknown, parked, waiting, …")
    ] = None,
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
    if wanted_state and wanted_state not in ("dead", "unknown", "discarded", "skipped", "waiting", "parked"):
        raise typer.BadParameter(f"what is {wanted_state} cannot be replayed", param_hint="--state")

    async def work(operations: Operations) -> tuple[int, int]:
        from broker.operations import MessageFilter  # noqa: PLC0415 - loads the models

        if ids:
            chosen = await _named(operations, ids, may_open)
        else:
            chosen = await _found(
                operations, MessageFilter(account, channel, key, None, wanted_state, None, AT_ONCE)
            )
        return len(chosen), await operations.desk.replay(
            [delivery.id for delivery in chosen]
        ) if chosen else 0

    chosen, replayed = change(context, work)
    if ids and not replayed:
        raise Refused(
            "Nothing was replayed: what is done, superseded, running or due already stays as it is. "
            "See 'towpath messages show ID'."
        )
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
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; it stays with the delivery. No personal data.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Close deliveries for good, with the reason.

    They stay visible and can be replayed.
    """
    if not reason.strip():
        raise typer.BadParameter("say why in a few words", param_hint="--reason")

    def may_close(delivery: DeliveryRow) -> bool:
        return delivery.state in ("dead", "unknown", "waiting", "parked", "behind", "ready")

    async def work(operations: Operations) -> tuple[int, int]:
        chosen = await _named(operations, ids, may_close)
        return len(chosen), await operations.desk.discard(
            [delivery.id for delivery in chosen], reason.strip()
        ) if chosen else 0

    chosen, closed = change(context, work)
    if not closed:
        raise Refused(
            "Nothing was discarded: what ended well or is running stays. See 'towpath messages show ID'."
        )
    if as_json:
        show_json({"matched": chosen, "discarded": closed})
    else:
        tell(f"{_deliveries(closed)} discarded.")


async def _named(
    operations: Operations, ids: Sequence[str], allowed: Callable[[DeliveryRow], bool]
) -> list[DeliveryRow]:
    """The deliveries that the ids mean: a delivery itself, or those of a message that allow it."""
    chosen: dict[str, DeliveryRow] = {}
    for each in ids:
        life = await operations.desk.message(each)
        if life is None:
            raise UnknownName(
                f"No message or delivery, or more than one, has the id {each!r}; nothing was changed."
            )
        members = life.message.deliveries
        exact = [delivery for delivery in members if delivery.id == each]
        chosen.update({delivery.id: delivery for delivery in exact or members if allowed(delivery)})
    return list(chosen.values())


async def _found(operations: Operations, wanted: MessageFilter) -> list[DeliveryRow]:
    """The deliveries found that are in the state and on the channel asked for, oldest first."""
    states = (wanted.state,) if wanted.state else ("dead", "unknown", "waiting", "parked")
    return [
        delivery
        for row in reversed(await operations.desk.messages(wanted))
        for delivery in row.deliveries
        if delivery.state in states and wanted.channel in (None, delivery.channel)
    ]


def _deliveries(count: int) -> str:
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"
