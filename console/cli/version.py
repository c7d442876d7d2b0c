"""``towpath version``."""

from __future__ import annotations

from importlib import metadata

import typer

from console.cli.printing import tell
from domain.errors import ConfigurationError


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("version", rich_help_panel=panel)(version)


def version() -> None:
    """Print the version."""
    try:
        tell(metadata.version("towpath"))
    except metadata.PackageNotFoundError:
        raise ConfigurationError("Towpath runs from a folder and is not installed: pip install -e .") from None
