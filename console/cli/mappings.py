"""``towpath mappings``: what stands for what in a channel and in the OMS."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.acting import actor_name
from console.cli.asking import change, look
from console.cli.failing import Refused
from console.cli.options import JsonOption, PlaceArgument, place
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import Imported, Operations
    from domain.mappings import ImportMode, MappingKind, MappingRow

app = typer.Typer(help="Mappings of a channel: which of its codes stand for which codes of the OMS.")
KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="What is mapped: carrier.")]
_TITLES = {
    "channel_carrier": "Carrier in the channel",
    "channel_service": "Service",
    "oms_carrier": "Carrier in the OMS",
    "oms_service": "Service in the OMS",
    "primary": "Primary",
    "channel_sku": "SKU in the channel",
    "oms_sku": "SKU in the OMS",
    "multiplier": "Multiplier",
    "oms_warehouse": "Warehouse in the OMS",
    "external_id": "In the channel",
}


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="mappings", rich_help_panel=panel)


def kind_of(text: str) -> MappingKind:
    """The kind of mapping that an argument names.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    from domain.mappings import MappingKind  # noqa: PLC0415 - loads the models

    try:
        return MappingKind(text)
    except ValueError:
        known = ", ".join(MappingKind)
        raise typer.BadParameter(f"{text!r} is no kind of mapping: use {known}", param_hint="KIND") from None


@app.command("list")
def list_mappings(
    context: typer.Context,
    where: PlaceArgument,
    kind: KindArgument,
    search: Annotated[str, typer.Option(metavar="WORDS", help="Only those with these words in a code.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the mappings of a kind."""
    account, channel = place(where)
    wanted = kind_of(kind)

    async def work(operations: Operations) -> tuple[Sequence[MappingRow], int]:
        await operations.ensure_mapping(account, channel, wanted)
        return await operations.mappings.search(account, channel, wanted, search, limit)

    rows, count = look(context, work)
    if as_json:
        show_json([asdict(row) for row in rows])
    elif not rows:
        tell(f"There is no {wanted.title} mapping{' with these words' if search else ''} in {where}.")
    else:
        _show(rows)
        if count > len(rows):
            tell(f"{len(rows)} of {count}; see more with --limit or --search.")


def _show(rows: Sequence[MappingRow]) -> None:
    names = list(asdict(rows[0]))
    made = table(*(_TITLES[name] for name in names), numbers=("Multiplier",))
    for row in rows:
        made.add_row(*(words(_text(value)) for value in asdict(row).values()))
    show(made)


def _text(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value) or "any"


@app.command("set")
def set_mapping(
    context: typer.Context,
    where: PlaceArgument,
    kind: KindArgument,
    members: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help="As channel_carrier='UPS Ground' oms_carrier=ups oms_service=03."),
    ],
) -> None:
    """Save a mapping. What waited for it goes on at once, in order."""
    account, channel = place(where)
    wanted = kind_of(kind)
    given = dict(_member(text) for text in members)

    async def work(operations: Operations) -> int:
        from domain.mappings import row_of  # noqa: PLC0415 - loads the models

        await operations.ensure_mapping(account, channel, wanted)
        return (await operations.mappings.save(account, channel, row_of(wanted, given), actor_name())).deliveries

    released = change(context, work)
    tell(f"The {wanted.title} mapping is saved in {where}.{_let_go(released)}")


def _let_go(released: int) -> str:
    return (
        f" {released} {'delivery' if released == 1 else 'deliveries'} that waited for it went on." if released else ""
    )


def _member(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} says nothing: write NAME=VALUE", param_hint="NAME=VALUE")
    return name, value


@app.command()
def remove(
    context: typer.Context,
    where: PlaceArgument,
    kind: KindArgument,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The channel's code, as it is listed.")],
) -> None:
    """Take a mapping away."""
    account, channel = place(where)
    wanted = kind_of(kind)

    async def work(operations: Operations) -> None:
        await operations.mappings.remove(account, channel, wanted, code, actor_name())

    change(context, work)
    tell(f"The {wanted.title} mapping of {code!r} is gone from {where}.")


@app.command("export")
def export_mappings(context: typer.Context, where: PlaceArgument, kind: KindArgument) -> None:
    """Write all mappings of a kind as CSV to standard output: a file that 'import' takes."""
    account, channel = place(where)
    wanted = kind_of(kind)

    async def work(operations: Operations) -> str:
        await operations.ensure_mapping(account, channel, wanted)
        return await operations.mappings.export_sheet(account, channel, wanted)

    sys.stdout.buffer.write(look(context, work).encode())
    sys.stdout.flush()


@app.command("import")
def import_mappings(  # noqa: PLR0913 - one option for each thing that may be asked for
    context: typer.Context,
    where: PlaceArgument,
    kind: KindArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file, or - for standard input.")],
    mode: Annotated[str, typer.Option(help="add: new rows only; update: new and changed; replace: the whole.")] = "add",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    errors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the rows that failed, to be corrected.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import mappings from CSV. Rows with errors are told one by one; nothing of them is saved."""
    account, channel = place(where)
    wanted, how, text = kind_of(kind), _mode(mode), _read(file)

    async def work(operations: Operations) -> Imported:
        await operations.ensure_mapping(account, channel, wanted)
        return await operations.mappings.import_sheet(account, channel, wanted, text, how, actor_name(), dry=dry_run)

    done = change(context, work)
    if as_json:
        show_json(_counts(done, dry_run=dry_run))
    else:
        _report(done, where, dry_run=dry_run)
    if done.plan.errors:
        if errors is not None:
            from domain.mappings import error_sheet  # noqa: PLC0415 - loaded only where something failed

            errors.write_bytes(error_sheet(done.sheet, done.plan).encode())
        raise Refused(_failed(done, errors), code="rows_refused")


def _mode(text: str) -> ImportMode:
    from domain.mappings import ImportMode  # noqa: PLC0415 - loads the models

    try:
        return ImportMode(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no mode: use {', '.join(ImportMode)}", param_hint="--mode") from None


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None


def _counts(done: Imported, *, dry_run: bool) -> dict[str, Any]:
    plan = done.plan
    parts = {name: len(getattr(plan, name)) for name in ("added", "changed", "removed", "unchanged")}
    told = [each.sentence for each in plan.errors]
    return {**parts, "errors": told, "refused": plan.refused, "released": done.released, "dry_run": dry_run}


def _report(done: Imported, where: str, *, dry_run: bool) -> None:
    counts = _counts(done, dry_run=dry_run)
    for sentence in counts["errors"][:20]:
        tell(sentence)
    if len(counts["errors"]) > 20:
        tell(f"… and {len(counts['errors']) - 20} more; write them to a file with --errors FILE.")
    told = ", ".join(f"{counts[name]} {name}" for name in ("added", "changed", "removed", "unchanged"))
    begin = "Nothing was imported" if done.plan.refused else "It would be" if dry_run else f"{where} has"
    tell(f"{begin}: {told}.{_let_go(done.released)}")


def _failed(done: Imported, errors: Path | None) -> str:
    count = len(done.plan.errors)
    rest = "nothing of the file was taken" if done.plan.refused else "the other rows were taken"
    said = f" The rows are in {errors}: correct and import them again." if errors is not None else ""
    return f"{count} {'row has an error' if count == 1 else 'rows have errors'}; {rest}.{said}"
