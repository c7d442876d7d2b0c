"""``python -m tests.faults.faulty FAULT ROLE…``: Towpath with one thing planted, for tests.

- ``stop``: where ``TOWPATH_CRASH_AT`` would end the process, it stops (SIGSTOP) and goes on only when it is told to.
- ``abort=KEY``: whatever runs a delivery with that business key aborts the process natively, as a bug in a C library
  would: no exception, no clean-up, the whole process.
- ``watchful``: no fault; it looks after its connections to RabbitMQ five times as often, and waits half as long for an
  answer.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.app.harness import Child, Stack


def start_faulty(stack: Stack, fault: str, *arguments: str, **environment: str) -> Child:
    """Start a process of ``stack`` with a planted fault; the role that serves takes a free port."""
    return stack.start_module("tests.faults.faulty", (fault, *arguments), environment)


def main() -> None:
    """Plant the fault and run the rest of the command line."""
    fault, _, what = sys.argv.pop(1).partition("=")
    match fault:
        case "stop":
            os._exit = _stop  # type: ignore[assignment]
        case "abort":
            _abort_at(what)
        case "watchful":
            _watch_closely()
        case _:
            raise SystemExit(f"there is no fault {fault!r}")
    from app.__main__ import main as run

    run()


def _stop(code: int) -> None:
    """Stop all threads, and this one before its next instruction: a signal to the process might reach another first."""
    del code
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _abort_at(business_key: str) -> None:
    from broker.handling import Answer, Handler, Run
    from consumers import HANDLERS

    def poisoned(handler: Handler) -> Handler:
        async def handle(run: Run) -> Sequence[Answer]:
            if any(item.delivery.business_key == business_key for item in run.items):
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.abort()
            return await handler(run)

        return handle

    HANDLERS.update({name: poisoned(handler) for name, handler in HANDLERS.items()})


def _watch_closely() -> None:
    from broker.transports import urls
    from broker.transports.rabbitmq import AmqpSettings

    usual = AmqpSettings(url="")
    watchful = partial(
        AmqpSettings,
        heartbeat=usual.heartbeat // 5,
        watchdog_seconds=usual.watchdog_seconds / 5,
        connect_timeout=usual.connect_timeout / 2,
        confirm_timeout=usual.confirm_timeout / 2,
    )
    vars(urls)["AmqpSettings"] = watchful


if __name__ == "__main__":
    main()
