"""``python -m bench.soak``: ten minutes of load and kills, and then the account of every event.

Exit code 1 when anything was lost, doubled, stale, out of order or unexpected.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from pydantic import SecretStr

from app.logs import configure
from app.settings import Settings
from bench.soak.run import Account, Wish, soak
from tests.app.harness import set_up, stack_of
from tests.app.shop import SandboxShop
from tests.services.provide import ServiceMissingError, provide_postgresql, provide_rabbitmq


def main() -> int:
    """Start the servers, run, print the account."""
    given = _arguments()
    configure("error", "console")
    signal.signal(signal.SIGTERM, _interrupt)
    wish = Wish(given.seconds, given.rate, given.seed)
    try:
        account = _embedded(wish) if given.embedded else _distributed(wish)
    except ServiceMissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    except AssertionError as failure:
        print(f"The soak could not be brought to its end: {failure}", file=sys.stderr)
        return 1
    if given.json:
        json.dump(account.as_data(), sys.stdout, indent=2)
    else:
        _show(account)
    return 0 if account.kept else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the load (default %(default)s)")
    parser.add_argument("--rate", type=float, default=60.0, help="events a second (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn (default %(default)s)")
    parser.add_argument("--embedded", action="store_true", help="journal and SQLite in one process")
    parser.add_argument("--json", action="store_true", help="the account as JSON on stdout")
    return parser.parse_args()


def _embedded(wish: Wish) -> Account:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        shop = _shop(stack)
        settings = Settings(data_dir=folder / "data", allowed_hosts=shop.domain)
        made = stack.enter_context(stack_of("journal, SQLite", settings, folder, shop))
        return soak(made, set_up(made), wish, _say)


def _distributed(wish: Wish) -> Account:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        rabbitmq = provide_rabbitmq()
        stack.callback(rabbitmq.close)
        postgresql = provide_postgresql()
        stack.callback(postgresql.close)
        vhost, database = rabbitmq.vhosts.take(), postgresql.databases.create()
        stack.callback(postgresql.databases.drop, database)
        shop = _shop(stack)
        settings = Settings(
            data_dir=folder / "data",
            allowed_hosts=shop.domain,
            broker_url=SecretStr(vhost.url),
            database_url=SecretStr(database),
        )
        made = stack.enter_context(stack_of("RabbitMQ, PostgreSQL", settings, folder, shop))

        def connections() -> int:
            return rabbitmq.rabbitmqctl("list_connections", "vhost").splitlines().count(vhost.name)

        return soak(made, set_up(made), wish, _say, connections)


def _shop(stack: contextlib.ExitStack) -> SandboxShop:
    shop = SandboxShop()
    stack.callback(shop.stop)
    return shop


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(account: Account) -> None:
    tally = account.tally
    print(f"\n{account.stack}: {account.seconds:.0f} s, {account.calls:,} calls to the shop")
    print(f"  killed   {_counts(account.kills)}\n  stopped  {_counts(account.stops)}\n")
    for name in ("accepted", "lost", "duplicated", "recovered", "unexpected", "stale", "out_of_order"):
        print(f"  {name.replace('_', ' '):<14}{getattr(tally, name):>10,}")
    print(f"  {'ticks':<14}{account.ticks[1]:>10,}  of {account.ticks[0]:,}\n")
    for line in tally.details:
        print(f"  unexpected: {line}")
    print(f"  {'':<40}{'early':>8}{'late':>8}{'most':>8}")
    for trend in account.trends:
        verdict = {True: "flat", False: "GROWS", None: "too short to tell"}[trend.flat]
        print(f"  {trend.what:<40}{trend.early:>8.0f}{trend.late:>8.0f}{trend.most:>8.0f}  {verdict}")
    print("\nEvery promise was kept." if account.kept else "\nA PROMISE WAS BROKEN.")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nobody"


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
