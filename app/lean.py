"""Loading less: what a role's process does not need takes memory from its work."""

from __future__ import annotations

import sys


def load_logging_alone() -> None:
    """Load structlog without rich, which it would take along where it is installed (the CLI's tables are made with it):
    some 5 MB, for the colours of tracebacks.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401, PLC0415 - it is loaded here, and this way, on purpose
    finally:
        del sys.modules["rich"]
