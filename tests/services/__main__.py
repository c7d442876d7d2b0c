"""``python -m tests.services``: start both servers, say where they are, keep them until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from typing import NoReturn

from tests.services.postgresql import start_postgresql
from tests.services.provide import ServiceMissingError, provide_postgresql, provide_rabbitmq


def main() -> int:
    """Print the two settings that point towpath to real servers, and wait."""
    parser = argparse.ArgumentParser(prog="python -m tests.services", description=__doc__)
    parser.add_argument("--fsync", action="store_true", help="private PostgreSQL with fsync on, for measurements")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.ExitStack() as stack:
        try:
            broker = provide_rabbitmq()
            stack.callback(broker.close)
            database = start_postgresql(fsync=True) if options.fsync else provide_postgresql()
            stack.callback(database.close)
        except ServiceMissingError as missing:
            print(missing, file=sys.stderr)
            return 1
        print(f"TOWPATH_BROKER_URL={broker.url}")
        print(f"TOWPATH_DATABASE_URL={database.databases.create()}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
