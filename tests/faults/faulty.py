"""``python -m tests.faults.faulty FAULT ROLE…``: Towpath with one planted fault, for tests.

- ``stop``: where ``TOWPATH_CRASH_AT`` would end the process, it stops (SIGSTOP) and goes on only when it is told to.
- ``abort=KEY``: whatever runs a delivery with that business key aborts the process natively, as a bug in a C library
  would: no exception, no clean-up, the whole process.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from tests.app.harness import Child, Stack


class FaultyChild(Child):
    """A :class:`Child` that runs this module instead of ``app``."""

    def __init__(self, stack: Stack, fault: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.name = " ".join((fault, *arguments))
        self.log = stack.folder / f"{'-'.join((fault, *arguments))}-{len(stack.children)}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, fault, *arguments],
                env=stack.environment(**environment),
                cwd=stack.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        stack.children.append(self)


def start_faulty(stack: Stack, fault: str, *arguments: str, **environment: str) -> Child:
    """Start a process of ``stack`` with a planted fault; the role that serves takes a free port."""
    return FaultyChild(stack, fault, (*arguments, *(("--port", "0") if "up" in arguments else ())), environment)


def main() -> None:
    """Plant the fault and run the rest of the command line."""
    fault, _, what = sys.argv.pop(1).partition("=")
    if fault == "stop":
        os._exit = _stop  # type: ignore[assignment]
    else:
        _abort_at(what)
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


if __name__ == "__main__":
    main()
