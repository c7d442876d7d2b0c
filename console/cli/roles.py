"""``up``, ``serve``, ``consume``, ``timer``, ``relay``: the roles a process can play."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.asking import doors_of
from console.cli.seams import Roles
from domain.errors import UnknownName

HostOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; else TOWPATH_HTTP_HOST.")
]
PortOption = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one; else TOWPATH_HTTP_PORT."),
]


def add(app: typer.Typer, panel: str) -> None:
    """Put the commands into the program."""
    for command in (up, serve, consume, timer, relay):
        app.command(command.__name__, rich_help_panel=panel)(command)


def up(context: typer.Context, host: HostOption = None, port: PortOption = None) -> None:
    """Play all roles in one process: HTTP, consumers, timer, relay."""
    raise typer.Exit(doors_of(context).run_roles(Roles(True, _jobs([]), True, True, host, port)))


def serve(context: typer.Context, host: HostOption = None, port: PortOption = None) -> None:
    """Serve the HTTP API, webhooks, health, metrics and the console."""
    raise typer.Exit(doors_of(context).run_roles(Roles(serve=True, host=host, port=port)))


def consume(
    context: typer.Context,
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="Job types; all where none is given.")
    ] = None,
) -> None:
    """Take messages and call the shops.

    Any number may run, each for all job types or for those named.
    """
    raise typer.Exit(doors_of(context).run_roles(Roles(jobs=_jobs(jobs or []))))


def timer(context: typer.Context) -> None:
    """Turn due schedules into ticks.

    Any number may run; each due instant fires once.
    """
    raise typer.Exit(doors_of(context).run_roles(Roles(timer=True)))


def relay(context: typer.Context) -> None:
    """Publish what is due: retries, releases, announcements.

    Any number may run; what two of them find goes out once.
    """
    raise typer.Exit(doors_of(context).run_roles(Roles(relay=True)))


def _jobs(names: list[str]) -> tuple[str, ...]:
    from domain.jobs import JOB_TYPES, job_type  # noqa: PLC0415 - loads the event models

    try:
        return tuple(job_type(name).name for name in dict.fromkeys(names)) or tuple(JOB_TYPES)
    except UnknownName as error:
        raise typer.BadParameter(error.sentence, param_hint="JOB") from None
