"""``towpath topology``: exchanges, queues and bindings, and the contracts of what flows through them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.asking import doors_of
from console.cli.failing import FAILED
from console.cli.options import JsonOption
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.topology import Topology
    from broker.transports.seam import Transport

app = typer.Typer(help="Exchanges and queues; the contract with upstreams.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="topology", rich_help_panel=panel)


@app.command("show")
def show_topology(
    context: typer.Context,
    asyncapi: Annotated[bool, typer.Option("--asyncapi", help="The AsyncAPI document of the events, as JSON.")] = False,
    schemas: Annotated[bool, typer.Option("--schemas", help="The JSON Schema of each event type, as JSON.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the topology that this version uses, or the published contracts."""
    from broker.topology import topology  # noqa: PLC0415 - loads the event models

    if asyncapi and schemas:
        raise typer.BadParameter("give --asyncapi or --schemas, not both", param_hint="--schemas")
    if asyncapi:
        show_json(doors_of(context).asyncapi())
    elif schemas:
        show_json(doors_of(context).schemas())
    elif as_json:
        show_json(topology())
    else:
        _show(topology())


def _show(known: Topology) -> None:
    made = table("Exchange", "Kind", "What no queue wants goes to")
    for exchange in known.exchanges:
        made.add_row(words(exchange.name), words(exchange.kind), words(exchange.alternate or "-"))
    show(made)
    tell("")
    made = table("Queue (quorum, durable)", "Dead letters to", "Delivery limit", "At most", numbers=("Delivery limit",))
    for queue in known.queues:
        size = f"{queue.max_bytes // 2**20} MiB" if queue.max_bytes else "-"
        name = f"{queue.name} (single active consumer)" if queue.single_active else queue.name
        made.add_row(words(name), words(queue.dead_letter or "-"), words(str(queue.delivery_limit or "-")), words(size))
    show(made)
    tell("")
    made = table("Binding: from exchange", "Routing key", "To queue")
    for binding in known.bindings:
        made.add_row(words(binding.exchange), words(binding.pattern), words(binding.queue))
    show(made)


@app.command()
def declare(context: typer.Context) -> None:
    """Make the topology be there. Needs a user of the message broker who may configure; safe to run again."""
    for sentence in _with_transport(context, lambda transport: transport.declare()) or ["The topology is there."]:
        tell(sentence)


@app.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compare the message broker with the topology. Exit code 1 where something is missing or differs."""
    problems = _with_transport(context, lambda transport: transport.check())
    if as_json:
        show_json({"ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            tell(problem)
        tell("Repair it with 'towpath topology declare'; what differs must be deleted first.")
    else:
        tell("The topology is complete.")
    raise typer.Exit(FAILED if problems else 0)


def _with_transport(context: typer.Context, work: Callable[[Transport], Awaitable[Sequence[str]]]) -> Sequence[str]:
    async def main() -> Sequence[str]:
        async with doors_of(context).open_transport() as transport:
            return await work(transport)

    return asyncio.run(main())
