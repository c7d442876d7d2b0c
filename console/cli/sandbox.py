"""``towpath sandbox``: a shop to try things against."""

from __future__ import annotations

import typer

from console.cli.asking import doors_of


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    untouched = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command("sandbox", rich_help_panel=panel, context_settings=untouched, add_help_option=False)(sandbox)


def sandbox(context: typer.Context) -> None:
    """Run a sandbox shop to try things against.

    'towpath sandbox bright-sites --help' tells its options.
    """
    raise typer.Exit(doors_of(context).run_sandbox(context.args or ["--help"]))
