"""``towpath publish``: hand in events from a file or a pipe."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.asking import change
from console.cli.event_file import split_events
from console.cli.failing import FAILED, say
from console.cli.options import JsonOption
from console.cli.printing import show_json, tell

if TYPE_CHECKING:
    from broker.ledger import Admission
    from broker.operations import Operations

BATCH = 500


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("publish", rich_help_panel=panel)(publish)


def publish(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="The events; standard input where it is '-'.")] = "-",
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="CODE", help="The account of events that name none; others must name it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hand in events from a file or a pipe.

    They are CloudEvents: one JSON document, an array, or JSON Lines. Each answer is durable when it is
    printed. Exit code 1 where any event was rejected. The same file again does nothing twice.
    """
    bodies = split_events(_read(file))
    if not bodies:
        raise typer.BadParameter(f"there are no events in {_name(file)}", param_hint="FILE")
    results: list[dict[str, Any]] = []

    async def work(operations: Operations) -> None:
        for start in range(0, len(bodies), BATCH):
            for answer in await operations.ingest(bodies[start : start + BATCH], account=account):
                results.append(_result(len(results) + 1, answer))
                if not as_json:
                    tell(_line(results[-1]))

    change(context, work)
    counted = Counter(result["result"] for result in results)
    if as_json:
        show_json(results)
    else:
        tell(", ".join(f"{counted[word]} {word}" for word in ("accepted", "duplicate", "rejected")) + ".")
    raise typer.Exit(FAILED if counted["rejected"] else 0)


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _read(file: str) -> bytes:
    if file == "-":
        if sys.stdin.isatty():
            say("Reading events from the keyboard; end with Ctrl-D.")
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None


def _result(number: int, answer: Admission) -> dict[str, Any]:
    word = "rejected" if answer.error else "duplicate" if answer.duplicate else "accepted"
    return {
        "event": number,
        "result": word,
        "message_id": answer.message_id,
        "deliveries": answer.deliveries,
        "code": answer.error.code if answer.error else None,
        "sentence": answer.error.sentence if answer.error else None,
    }


def _line(result: dict[str, Any]) -> str:
    start = f"{result['event']:>4}  {result['result']:<9}"
    if result["result"] == "rejected":
        return f"{start}  {result['sentence']}"
    if result["result"] == "duplicate":
        return f"{start}  message {result['message_id']} has it already"
    count = result["deliveries"]
    told = f"{count} {'delivery' if count == 1 else 'deliveries'}" if count else "no channel takes it"
    return f"{start}  message {result['message_id']}, {told}"
