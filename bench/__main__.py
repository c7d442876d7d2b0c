"""``python -m bench``: events per second of the whole engine beside a bare loop of the same calls.

Plays on the embedded default, and on RabbitMQ and PostgreSQL when both URLs are given. Trust the ratios, not the
digits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from app.logs import configure
from app.settings import Settings, load
from bench.engine import Measured, measure_engine
from bench.floor import measure_floor


def main() -> None:
    """Run all measurements and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--events", type=int, default=3000, help="order updates (one call each)")
    parser.add_argument("--changes", type=int, default=20000, help="stock changes over 400 SKUs")
    parser.add_argument("--broker", help="amqp://… (with --database)")
    parser.add_argument("--database", help="postgresql://… (with --broker)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    configure("error", "console")
    rows = [asyncio.run(measure_floor(given.events))]
    with TemporaryDirectory() as folder:
        rows += asyncio.run(measure_engine(load(log="error", data_dir=Path(folder)), given.events, given.changes))
        if given.broker and given.database:
            full: Settings = load(
                log="error", data_dir=Path(folder), broker_url=given.broker, database_url=given.database
            )
            rows += asyncio.run(measure_engine(full, given.events, given.changes))
    _print(rows, as_json=given.json)


def _print(rows: list[Measured], *, as_json: bool) -> None:
    floor = rows[0].per_second
    if as_json:
        json.dump([{**row.as_data(), "to_floor": row.per_second / floor} for row in rows], sys.stdout, indent=2)
        return
    sys.stdout.write(f"{'what':<58}{'per second':>12}{'to floor':>10}{'calls per event':>17}\n")
    for row in rows:
        calls = f"{row.calls_per_event:.3f}"
        sys.stdout.write(f"{row.what:<58}{row.per_second:>12.0f}{row.per_second / floor:>10.2f}{calls:>17}\n")


if __name__ == "__main__":
    main()
