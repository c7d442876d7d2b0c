"""The process entry: ``towpath`` and ``python -m app``."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from app.lean import load_without_colours
from app.plain import plain_roles, play_roles

INTERRUPTED = 130
"""The exit code of who was interrupted before it had begun."""


def main() -> None:
    """Run one command line; ends with SystemExit."""
    load_without_colours("structlog")
    roles = plain_roles(sys.argv[1:])
    if roles is None:
        _run_command()
    try:
        play_roles(**roles)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place where anything can be said
        from console.cli.failing import explain_failure  # noqa: PLC0415 - takes memory from roles that do not fail

        sys.exit(explain_failure(error, debug=os.environ.get("TOWPATH_LOG") == "debug"))
    sys.exit(0)


def _run_command() -> NoReturn:
    from app.doors import doors  # noqa: PLC0415 - takes memory from roles
    from console.cli import build  # noqa: PLC0415 - same

    build(doors())()
    sys.exit(0)


if __name__ == "__main__":
    main()
