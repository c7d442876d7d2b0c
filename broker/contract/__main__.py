"""``python -m broker.contract [FOLDER]``: write the published contract, by default to ``docs/contract``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from broker.contract.publication import write


def main(arguments: list[str]) -> int:
    """Write what differs and say so; 1 when a published schema would change under its version."""
    parser = argparse.ArgumentParser("python -m broker.contract", description="Write the published contract.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "docs" / "contract")
    try:
        written = write(parser.parse_args(arguments).folder)
    except FileExistsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"wrote {path}\n" for path in written) or "The publication is exact.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
