"""The process entry: ``towpath`` and ``python -m app``."""

from __future__ import annotations

from app.lean import load_without_colours
from console.cli import build


def main() -> None:
    """Run one command line; ends with SystemExit."""
    load_without_colours("structlog")
    from app.doors import doors  # noqa: PLC0415 - importing has no effect, but reading settings early would

    build(doors())()


if __name__ == "__main__":
    main()
