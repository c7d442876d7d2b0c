"""``towpath logs``: the sync log, searched, followed, exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.asking import look
from console.cli.clock import Zone, zone_of
from console.cli.exporting import export
from console.cli.failing import say
from console.cli.log_view import show_rows, tell_row
from console.cli.options import (
    AccountOption,
    ChannelOption,
    JsonOption,
    OrderOption,
    SinceOption,
    SkuOption,
    business_key,
    narrowed,
    since,
)
from console.cli.printing import output, show_json, show_json_lines, tell

if TYPE_CHECKING:
    from broker.operations import LogFilter, LogRow, Operations

OUTCOMES = ("Done", "Superseded", "Skipped", "Retry", "Park", "Unknown", "Dead")
LEVELS = ("Info", "Warning", "Error", "Fatal")
SHOWN = 50
MOST_HELP = "At most so many, the newest; 50 where rows are shown, all where they are exported."

JobOption = Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only this job, as order_import.")]
OutcomeOption = Annotated[
    str | None, typer.Option("--outcome", metavar="WORD", help=f"Only this outcome: {', '.join(OUTCOMES)}.")
]
LevelOption = Annotated[
    str | None, typer.Option("--level", metavar="WORD", help=f"Only this level: {', '.join(LEVELS)}.")
]
CodeOption = Annotated[str | None, typer.Option("--code", metavar="WORD", help="Only this code, as shop_rejected.")]
MostOption = Annotated[int | None, typer.Option("--limit", min=1, max=100_000, help=MOST_HELP)]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on with new rows until Ctrl-C.")]
CsvOption = Annotated[
    str | None, typer.Option("--csv", metavar="FILE", help="Export as CSV, oldest first; '-' is standard output.")
]
LinesOption = Annotated[str | None, typer.Option("--jsonl", metavar="FILE", help="Export as JSON Lines, oldest first.")]


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("logs", rich_help_panel=panel)(logs)


def logs(  # noqa: PLR0913 - one option per question that can be asked
    context: typer.Context,
    order: OrderOption = None,
    sku: SkuOption = None,
    account: AccountOption = None,
    channel: ChannelOption = None,
    job: JobOption = None,
    outcome: OutcomeOption = None,
    level: LevelOption = None,
    code: CodeOption = None,
    after: SinceOption = None,
    limit: MostOption = None,
    follow: FollowOption = False,
    as_json: JsonOption = False,
    csv: CsvOption = None,
    jsonl: LinesOption = None,
) -> None:
    """Answer 'what happened to order 4711?' from the sync log.

    One row for each attempt, newest first. Choose with --order, --sku, --channel, --level error, --since 2h;
    go on with --follow.
    """
    if sum((as_json, csv is not None, jsonl is not None)) > 1 or (follow and (csv or jsonl)):
        raise typer.BadParameter(
            "choose one of --json, --csv and --jsonl; only --json goes with --follow", param_hint="--json"
        )
    from broker.operations import LogFilter  # noqa: PLC0415 - loads the models

    account, channel = narrowed(account, channel)
    wanted = LogFilter(
        account, channel, business_key(order, sku), job, _one_of(OUTCOMES, outcome, "--outcome"),
        _one_of(LEVELS, level, "--level"), code, since=since(after), limit=limit or SHOWN,
    )  # fmt: skip
    if csv is not None or jsonl is not None:
        count = look(context, lambda operations: export(operations, wanted, limit, (csv, jsonl)))
        say(f"{count} rows exported.")
    elif follow:
        _follow(context, wanted, as_json=as_json)
    else:
        _list(context, wanted, as_json=as_json)


def _one_of(allowed: Sequence[str], text: str | None, option: str) -> str | None:
    if text is None or text.capitalize() in allowed:
        return text.capitalize() if text else None
    raise typer.BadParameter(f"{text!r} is none of {', '.join(allowed)}", param_hint=option)


def _list(context: typer.Context, wanted: LogFilter, *, as_json: bool) -> None:
    async def work(operations: Operations) -> tuple[Sequence[LogRow], Zone]:
        rows = await operations.desk.logs(wanted)
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif rows:
        show_rows(rows, zone, wanted.limit)
    elif wanted.business_key:
        tell(
            f"The log has nothing about {wanted.business_key!r} that matches. "
            f"What came in and waits: towpath messages --order {wanted.business_key}"
        )
    else:
        tell(
            "The log has nothing that matches. What came in: towpath messages; "
            "what was refused: towpath messages rejected"
        )


def _follow(context: typer.Context, wanted: LogFilter, *, as_json: bool) -> None:
    async def work(operations: Operations) -> None:
        zone = await zone_of(operations, [wanted.account] if wanted.account else [])
        async for row in operations.follow(wanted):
            if as_json:
                show_json_lines([row])
            else:
                tell_row(row, zone)
                output().flush()

    try:
        look(context, work)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
