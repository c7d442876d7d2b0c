"""Loading less: what a role's process does not need takes memory from its work."""

from __future__ import annotations

import sys
from importlib import import_module

COLOURS = ("rich", "click", "pygments")
"""What others load beside themselves where it is installed, for colours of tracebacks and commands of their own."""


def load_without_colours(*names: str) -> None:
    """Load modules that work without :data:`COLOURS` but would take them along (structlog, httpx): some 5 MB each.

    What is loaded already stays as it is.
    """
    missing = [name for name in COLOURS if name not in sys.modules]
    for name in missing:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        for name in names:
            import_module(name)
    finally:
        for name in missing:
            del sys.modules[name]
