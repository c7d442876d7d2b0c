"""``towpath version``."""

from __future__ import annotations

from importlib import metadata

import typer

from console.cli.printing import tell


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("version", rich_help_panel=panel)(version)


def version() -> None:
    """Print the version."""
    tell(metadata.version("towpath"))
