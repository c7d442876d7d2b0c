"""The program: all commands under one name, and one place where failures become sentence and exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from console.cli import (
    accounts,
    audit,
    captures,
    channels,
    database,
    demo,
    doctor,
    hooks,
    jobs,
    keys,
    logs,
    mappings,
    messages,
    privacy,
    publish,
    replay,
    roles,
    sandbox,
    tasks,
    topology,
    users,
    version,
    warehouses,
)
from console.cli.failing import explain_failure
from console.cli.seams import Doors

PANELS: dict[str, tuple[Callable[[typer.Typer, str], None], ...]] = {
    "Run": (demo.add, roles.add, sandbox.add),
    "See what happened": (messages.add, logs.add, captures.add, tasks.add, audit.add, doctor.add),
    "Act": (publish.add, replay.add),
    "Set up": (
        accounts.add,
        users.add,
        channels.add,
        warehouses.add,
        mappings.add,
        jobs.add,
        hooks.add,
        privacy.add,
        keys.add,
        topology.add,
        database.add,
        version.add,
    ),
}
"""The commands as ``towpath --help`` groups them."""


def build(doors: Doors) -> typer.Typer:
    """The ``towpath`` program over these doors; calling it runs the arguments of the process."""

    class Towpath(_Program):
        given = doors

    app = typer.Typer(
        cls=Towpath,
        name="towpath",
        help="An integration broker for sales channels. Begin with 'towpath demo'; ask with 'towpath logs'.",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for panel, parts in PANELS.items():
        for add in parts:
            add(app, panel)
    return app


class _Program(TyperGroup):
    """Ends the process with the exit code of the command; says failures in one sentence."""

    given: Doors

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run one command line, then SystemExit: 0 done, 1 failed, 2 usage, 3 refused, 130 interrupted."""
        given = list(sys.argv[1:] if args is None else args) or ["--help"]
        try:
            code = super().main(
                given,
                prog_name or "towpath",
                complete_var,
                False,
                windows_expand_args,
                obj=self.given,
                **extra,
            )
        except Exception as error:  # noqa: BLE001 - the last place where anything can be said
            code = explain_failure(error, debug=self.given.debug)
        sys.exit(code if isinstance(code, int) else 0)
