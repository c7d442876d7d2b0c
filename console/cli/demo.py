"""``towpath demo``: a trading day against the sandbox shop."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.asking import doors_of
from console.cli.demo_view import DemoView
from console.cli.seams import DemoOptions


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("demo", rich_help_panel=panel)(demo)


def demo(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as JSON.")] = False,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="Play it on this message broker (amqp://…).")
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Play it on this database (postgresql://…).")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another day.")] = 1,
    orders: Annotated[int, typer.Option(min=1, max=100_000, help="Orders bought in the shop.")] = 300,
) -> None:
    """Play a trading day against a sandbox shop.

    The verdict is computed from the shop's own books: exit code 0 only where nothing was lost, duplicated,
    stale or out of order.
    """
    options = DemoOptions(as_json, broker, database, keep, seed, orders)
    with DemoView(quiet=as_json) as view:
        report = doors_of(context).run_demo(options, view.show)
    view.conclude(report)
    raise typer.Exit(0 if report["passed"] else 1)
