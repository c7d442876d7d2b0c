"""``towpath jobs``: what runs on a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import actor_name
from console.cli.asking import change, look
from console.cli.clock import Zone, zone_of
from console.cli.options import AccountOption, ChannelOption, JsonOption, PlaceArgument, narrowed, place
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import Operations, ScheduleRow

app = typer.Typer(help="Recurring jobs of the channels: see, set, run now.")
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job type, as order_import.")]


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="jobs", rich_help_panel=panel)


@app.command("list")
def list_jobs(
    context: typer.Context,
    account: AccountOption = None,
    channel: ChannelOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the schedules. A job that is not listed never runs by itself."""
    account, code = narrowed(account, channel)

    async def work(operations: Operations) -> tuple[Sequence[ScheduleRow], Zone]:
        rows = [row for row in await operations.desk.schedules(account) if code in (None, row.channel)]
        return rows, await zone_of(operations, (row.account for row in rows))

    rows, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("No job runs on a schedule. Set one: towpath jobs period ACCOUNT/CHANNEL order_import 15m")
    else:
        _show(rows, zone)


def _show(rows: Sequence[ScheduleRow], zone: Zone) -> None:
    made = table("Channel and job", "Period", "Next", "Last run", "Ended", "Counts", "Last success", whole=("Next",))
    for row in rows:
        made.add_row(
            words(f"{row.account}/{row.channel}", "\n", row.job),
            words("never" if row.period == "none" else row.period, *_slowed(row)),
            words(zone.short(row.next_due)),
            words(zone.short(row.last_run)),
            words((row.last_outcome or "-", row.last_outcome or "")),
            words(", ".join(f"{count} {name}" for name, count in row.last_counts.items() if count) or "-"),
            words(zone.short(row.last_success)),
        )
    show(made)
    tell(f"Times in {zone.name}.")


def _slowed(row: ScheduleRow) -> tuple[str | tuple[str, str], ...]:
    """What to say where posts of the shop or the API-call budget slow a job."""
    if row.stretch == 1:
        return ()
    told = f"1 of {row.stretch}, safety net" if row.safety_net else f"1 of {row.stretch} for now"
    return "\n", (told, "" if row.safety_net else "warning")


@app.command()
def period(
    context: typer.Context,
    where: PlaceArgument,
    job: JobArgument,
    how_often: Annotated[
        str, typer.Argument(metavar="PERIOD", help="none, 5m … 12h, or daily@06:30 in the account's time.")
    ],
) -> None:
    """Set how often a job runs. Takes effect at once; 'none' means never."""
    account, channel = place(where)

    async def work(operations: Operations) -> None:
        from domain.periods import Period  # noqa: PLC0415 - loaded only where a period is set

        await operations.set_schedule(account, channel, job, Period(how_often), actor=actor_name())

    change(context, work)
    often = {"none": "never runs by itself"}.get(how_often, f"runs {'' if '@' in how_often else 'every '}{how_often}")
    tell(f"{job} of {where} {often} now.")


@app.command()
def run(context: typer.Context, where: PlaceArgument, job: JobArgument) -> None:
    """Run a job now (manual sync), whatever its period."""
    account, channel = place(where)

    async def work(operations: Operations) -> str:
        return await operations.run_now(account, channel, job, actor=actor_name())

    message_id = change(context, work)
    tell(f"{job} of {where} is queued. Watch it: towpath messages show {message_id}")
