"""``towpath messages``: what came in and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.asking import look
from console.cli.clock import Zone, local_zone, zone_of
from console.cli.life import show_life
from console.cli.options import (
    AccountOption,
    ChannelOption,
    JsonOption,
    LimitOption,
    OrderOption,
    SinceOption,
    SkuOption,
    business_key,
    narrowed,
    since,
)
from console.cli.printing import show, show_json, table, tell, words
from domain.errors import UnknownName

if TYPE_CHECKING:
    from rich.text import Text

    from broker.operations import MessageLife, MessageRow, Operations, RejectedRow

STATES = (
    "ready", "running", "waiting", "parked",
    "done", "superseded", "skipped", "unknown", "dead", "discarded",
)  # fmt: skip
"""What ``--state`` accepts. What stands behind an earlier delivery is found under the state of its line."""

app = typer.Typer()


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="messages", rich_help_panel=panel)


def state_of(text: str | None) -> str | None:
    """A shown state.

    Raises:
        typer.BadParameter: there is no such state; the sentence lists them.
    """
    if text is not None and text.lower() not in STATES:
        raise typer.BadParameter(f"{text!r} is no state: {', '.join(STATES)}", param_hint="--state")
    return text.lower() if text else None


@app.callback(invoke_without_command=True)
def messages(  # noqa: PLR0913 - one option for each question that can be asked
    context: typer.Context,
    order: OrderOption = None,
    sku: SkuOption = None,
    account: AccountOption = None,
    channel: ChannelOption = None,
    kind: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only this event type, as order.created.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help=f"With a delivery in this state: {', '.join(STATES)}.")
    ] = None,
    after: SinceOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List messages, newest first; tell the whole life of one.

    'show ID' tells the life of a message, 'rejected' what could not become one.
    """
    if context.invoked_subcommand is not None:
        return
    from broker.operations import MessageFilter  # noqa: PLC0415 - loads the models

    account, channel = narrowed(account, channel)
    key = business_key(order, sku)
    wanted = MessageFilter(account, channel, key, kind, state_of(state), since(after), limit)

    async def work(operations: Operations) -> tuple[Sequence[MessageRow], Zone]:
        rows = await operations.desk.messages(wanted)
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("No message matches. What came in and could not become a message: towpath messages rejected")
    else:
        _show(rows, zone, limit)


def _show(rows: Sequence[MessageRow], zone: Zone, limit: int) -> None:
    made = table("Received", "Message", "Event", "Order or SKU", "Deliveries", whole=("Received", "Message"))
    for row in rows:
        event = (row.type, "\n", (f"{row.account}/{row.channel}" if row.channel else row.account, "dim"))
        made.add_row(
            words(zone.short(row.received_at)),
            words(row.id[-8:]),
            words(*event),
            words(row.business_key or "-"),
            _deliveries(row),
        )
    show(made)
    more = f" The newest {limit}; there may be more (--limit)." if len(rows) == limit else ""
    tell(f"Times in {zone.name}. The whole life of one: towpath messages show {rows[0].id[-8:]}.{more}")


def _deliveries(row: MessageRow) -> Text:
    if not row.deliveries:
        return words(("no channel takes it", "dim"))
    parts: list[str | tuple[str, str]] = []
    for delivery in row.deliveries:
        parts += [
            *(["\n"] if parts else []),
            f"{delivery.job} → {delivery.channel} ",
            (delivery.state, delivery.state),
        ]
    return words(*parts)


@app.command("show")
def show_message(
    context: typer.Context,
    message_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="Its id, at least 6 characters of its beginning or end, or a delivery's id."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Tell the whole life of a message: what came, each delivery, each attempt and its calls, in order."""

    async def work(operations: Operations) -> tuple[MessageLife, Zone]:
        life = await operations.desk.message(message_id)
        if life is None:
            raise UnknownName(
                f"No message, or more than one, has the id {message_id!r}. "
                "'towpath messages --order NUMBER' lists those of an order."
            )
        return life, await zone_of(operations, [life.message.account])

    life, zone = look(context, work)
    if as_json:
        show_json(life)
    else:
        show_life(life, zone)


@app.command()
def rejected(context: typer.Context, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List what came in and could not become a message, with the reason."""

    async def work(operations: Operations) -> Sequence[RejectedRow]:
        return await operations.desk.rejected(limit)

    rows = look(context, work)
    if as_json:
        show_json(rows)
        return
    if not rows:
        tell("Nothing was rejected.")
        return
    zone = local_zone()
    made = table("Last seen", "From", "Times", "Why, and how it begins", numbers=("Times",), whole=("Last seen",))
    for row in rows:
        came = (row.origin, "\n", (row.routing_key, "dim")) if row.routing_key else (row.origin,)
        why = words(row.sentence, "\n", (f"{row.code}, {row.size} bytes: {row.excerpt}", "dim"))
        made.add_row(words(zone.short(row.last_seen_at)), words(*came), words(str(row.seen)), why)
    show(made)
    tell(f"Times in {zone.name}.")
