"""``towpath captures``: manual logging, request and response of each API call of a job for a limited time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import actor_name
from console.cli.asking import change, look
from console.cli.clock import Zone, zone_of
from console.cli.options import (
    AccountOption,
    ChannelOption,
    JsonOption,
    LimitOption,
    OrderOption,
    PlaceArgument,
    narrowed,
    place,
)
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import CaptureRow, LoggedJob, Operations

app = typer.Typer(help="Manual logging: what API calls asked and answered, kept for a limited time.")
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job type, as order_import.")]
JobOption = Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only this job, as order_import.")]
MessageOption = Annotated[str | None, typer.Option("--message", metavar="ID", help="Only this message.")]
_TIME = re.compile(r"^([1-9]\d{0,3})([mh])$")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="captures", rich_help_panel=panel)


@app.command()
def start(
    context: typer.Context,
    where: PlaceArgument,
    job: JobArgument,
    time: Annotated[str, typer.Option("--for", metavar="TIME", help="As 30m or 2h; at most 24h.")] = "1h",
) -> None:
    """Switch manual logging on for a job. It ends by itself."""
    account, channel = place(where)
    length = _length(time)

    async def work(operations: Operations) -> tuple[LoggedJob, Zone]:
        from domain.jobs import job_type  # noqa: PLC0415 - loads the event models

        name = job_type(job).name
        found = await operations.captures.switch_on(account, channel, name, length, actor=actor_name())
        return found, await zone_of(operations, [account])

    found, zone = change(context, work)
    tell(f"API calls of {job} of {where} are kept until {zone.short(found.until)} ({zone.name}).")
    tell(f"See them: towpath captures show --channel {where}")


@app.command()
def stop(context: typer.Context, where: PlaceArgument, job: JobArgument) -> None:
    """Switch manual logging off. What is kept stays until its time is over."""
    account, channel = place(where)

    async def work(operations: Operations) -> None:
        from domain.jobs import job_type  # noqa: PLC0415 - loads the event models

        await operations.captures.switch_off(account, channel, job_type(job).name, actor=actor_name())

    change(context, work)
    tell(f"API calls of {job} of {where} are kept no more.")


@app.command("list")
def list_jobs(context: typer.Context, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """List the jobs whose API calls are kept now."""

    async def work(operations: Operations) -> tuple[Sequence[LoggedJob], Zone]:
        rows = await operations.captures.logged_jobs(account)
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("Manual logging is off everywhere. Switch it on: towpath captures start ACCOUNT/CHANNEL JOB --for 1h")
    else:
        made = table("Channel", "Job", "Until")
        for row in rows:
            made.add_row(words(f"{row.account}/{row.channel}"), words(row.job), words(zone.short(row.until)))
        show(made)
        tell(f"Times in {zone.name}.")


@app.command("show")
def show_captures(  # noqa: PLR0913 - one option per question that can be asked
    context: typer.Context,
    order: OrderOption = None,
    account: AccountOption = None,
    channel: ChannelOption = None,
    job: JobOption = None,
    message: MessageOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what API calls asked and answered, newest first. Tokens are out; personal data is not."""
    account, code = narrowed(account, channel)

    async def work(operations: Operations) -> tuple[Sequence[CaptureRow], Zone]:
        from broker.operations import CaptureFilter  # noqa: PLC0415 - loads the models

        rows = await operations.captures.captures(CaptureFilter(account, code, job, order, message, limit))
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("Nothing that matches was kept. Switch it on: towpath captures start ACCOUNT/CHANNEL JOB --for 1h")
    for row in () if as_json else rows:
        tell(f"{zone.short(row.at)}  {row.account}/{row.channel}  {row.job}  {row.about or row.business_key}")
        tell(f"{row.method} {row.path} -> {row.status or 'no answer'}")
        tell(f"  asked     {row.request or '-'}")
        tell(f"  answered  {row.response or '-'}")


def _length(text: str) -> timedelta:
    found = _TIME.match(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time: write 30m or 2h", param_hint="--for")
    return timedelta(**{"minutes" if found[2] == "m" else "hours": int(found[1])})
