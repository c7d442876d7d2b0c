"""`python -m sandbox bright-sites`: a shop as a process of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sandbox.bright_sites import command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; answers the exit code, 2 (by SystemExit) for wrong usage."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Shops to try a broker against.")
    shops = parser.add_subparsers(dest="shop", required=True)
    command.add_arguments(shops.add_parser("bright-sites", help="a Bright Sites shop with memory"))
    return command.run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
