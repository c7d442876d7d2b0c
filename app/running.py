"""The event loop of the roles."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from typing import Any

SWITCH_SECONDS = 0.0005
"""How long a thread of the database may wait for a busy event loop: its trips to the server are as short as that."""
COLLECT_EVERY = 20_000
"""Objects between two looks for garbage cycles, of which ordinary work makes next to none."""


def run_roles(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end, on uvloop where the platform has it."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 20)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - not on every platform

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
