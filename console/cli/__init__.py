"""The ``towpath`` command: what people type, and how the answers look on a terminal."""

from console.cli.program import build
from console.cli.seams import DemoOptions, Doors, Opening, Roles

__all__ = ["DemoOptions", "Doors", "Opening", "Roles", "build"]
