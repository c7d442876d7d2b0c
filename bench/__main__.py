"""``python -m bench [part …]``: Towpath, its peers and the floor, measured in one run on real servers.

RabbitMQ and PostgreSQL come from the environment, from containers or from installed binaries, as in the tests, and
PostgreSQL commits durably. All parts of one run share one machine: trust the ratios, not the digits.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from app.logs import configure
from bench.measured import Row, show
from bench.services import Services, machine, open_services
from tests.services.process import ServerFailedError
from tests.services.provide import ServiceMissingError

PARTS = ("one_call", "light", "storm", "ingest", "timers", "journal", "memory", "fairness", "release")
"""Modules of this package, in the order of the table."""


class Part(Protocol):
    """What a module of :data:`PARTS` offers; the first line of its docstring is its title."""

    def measure(self, services: Services) -> list[Row]:
        """Measure; one row per contender or step."""


def part(name: str) -> Part:
    """The module of that name."""
    return cast("Part", importlib.import_module(f"bench.{name}"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for and print one table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure; default all: {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="tiny counts: shows that it runs, figures mean nothing")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="turns of each contender; the median counts")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    configure("error", "console")
    results: list[tuple[str, list[Row]]] = []
    try:
        with open_services(quick=given.quick, rounds=max(1, given.rounds)) as services:
            _say(f"Measured on {machine()}.")
            for name in given.parts or PARTS:
                chosen = part(name)
                _say(f"Measuring {name} ...")
                results.append((title(chosen), chosen.measure(services)))
    except (ServiceMissingError, ServerFailedError) as error:
        _say(str(error))
        return 1
    finally:
        if results:
            show(results, as_json=given.json)
    return 0


def title(chosen: Part) -> str:
    """What a part measures, in one line."""
    return (chosen.__doc__ or "").strip().partition("\n")[0]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
