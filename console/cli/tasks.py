"""``towpath tasks``: missing mappings, and what waits for a person to answer them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import actor_name
from console.cli.asking import change, look
from console.cli.clock import Zone, zone_of
from console.cli.options import AccountOption, ChannelOption, JsonOption, narrowed
from console.cli.printing import show, show_json, table, tell, words
from domain.mappings import CarrierCode

if TYPE_CHECKING:
    from broker.operations import MappingTask, Operations

SUGGESTED = 20
"""Of so many tasks the near codes are looked for."""


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("tasks", rich_help_panel=panel)(tasks)


def tasks(
    context: typer.Context,
    account: AccountOption = None,
    channel: ChannelOption = None,
    ignore: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Answer this task with 'ignore': what waits for it ends with that reason."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the missing mappings and what each holds up since when."""
    if ignore is not None:
        _ignore(context, ignore)
        return
    account, channel = narrowed(account, channel)

    async def work(operations: Operations) -> tuple[Sequence[MappingTask], dict[str, Sequence[str]], Zone]:
        found = await operations.mappings.tasks(account, channel)
        near = {task.id: await operations.mappings.suggestions(task.id) for task in found[:SUGGESTED]}
        return found, near, await zone_of(operations, (task.account for task in found))

    found, near, zone = look(context, work)
    if as_json:
        show_json([_as_json(task, near) for task in found])
    elif not found:
        tell("No mapping is missing: nothing waits for a person to map something.")
    else:
        _show(found, near, zone)


def _as_json(task: MappingTask, near: dict[str, Sequence[str]]) -> dict[str, object]:
    return {**{name: getattr(task, name) for name in type(task).__slots__}, "suggestions": near.get(task.id, ())}


def _ignore(context: typer.Context, task_id: str) -> None:
    async def work(operations: Operations) -> int:
        return (await operations.mappings.ignore(task_id, actor_name())).deliveries

    count = change(context, work)
    tell(f"The code is ignored from now on; {count} that waited for it {'is' if count == 1 else 'are'} closed.")


def _show(found: Sequence[MappingTask], near: dict[str, Sequence[str]], zone: Zone) -> None:
    made = table("Channel", "Blocks", "Since", "Missing code", "Near", "Orders or SKUs", "Task", whole=("Since",))
    for task in found:
        shown = ", ".join(task.business_keys[:3]) + (", …" if len(task.business_keys) > 3 else "")
        made.add_row(
            words(f"{task.account}/{task.channel}"),
            words(str(task.blocks)),
            words(zone.short(task.oldest)),
            words(task.code, "\n", (f"{task.kind} of the {'OMS' if task.side == 'oms' else task.side}", "dim")),
            words(", ".join(near.get(task.id, ())) or "-"),
            words(shown),
            words(task.id),
        )
    show(made)
    tell(f"Times in {zone.name}. {_advice(found[0])}")
    tell("What waited goes on by itself, in order. A code that needs no mapping: towpath tasks --ignore TASK")


def _advice(task: MappingTask) -> str:
    where = f"{task.account}/{task.channel}"
    if task.kind == "sku":
        channel, oms = ("…", task.code) if task.side == "oms" else (task.code, "…")
        return f"Map it: towpath mappings set {where} sku channel_sku={_quoted(channel)} oms_sku={_quoted(oms)}"
    code = CarrierCode.of(task.code)
    named = _quoted(code.carrier)
    if task.side == "channel":
        return f"Map it: towpath mappings set {where} carrier channel_carrier={named} oms_carrier='…'"
    told = f" oms_service={_quoted(code.service)}" if code.service else ""
    return f"Map it: towpath mappings set {where} carrier channel_carrier='…' oms_carrier={named}{told}"


def _quoted(code: str) -> str:
    """For a shell: a code may be a shop's own words, quotes included."""
    return "'" + code.replace("'", "'\\''") + "'"
