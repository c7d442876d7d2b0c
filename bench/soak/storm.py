"""What befalls the processes and the shop: SIGKILL, SIGSTOP, refusals, resets, silence."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.app.harness import Child, Stack

IMPATIENT = {"TOWPATH_CALL_SECONDS": "5", "TOWPATH_LEASE_SECONDS": "20"}
FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "server_error", "status": 503, "probability": 0.01},
    {"kind": "server_error", "after_write": True, "probability": 0.005},
    {"kind": "reset_after", "probability": 0.005},
    {"kind": "reset_before", "probability": 0.005},
    {"kind": "half_body", "probability": 0.003},
    {"kind": "throttle", "retry_after": 1, "probability": 0.001},
    {"kind": "hang", "after_write": True, "seconds": 30, "probability": 0.0005},
)
BETWEEN_SECONDS = (1.5, 5.0)
HOLD_SHARE = 0.2
HOLD_SECONDS = (0.5, 30.0)
CALLS_BETWEEN = 20
OUTAGE_EVERY, OUTAGE_SECONDS = 60.0, 3.0
WITNESS = "witness"


class Storm:
    """Starts the roles and lets nothing befall the one named :data:`WITNESS`, whose memory is watched.

    Between two kills the shop sees some calls, because work that dies three times in a row is given up on purpose.
    """

    def __init__(self, stack: Stack, port: int, seed: int) -> None:
        self._stack = stack
        self._random = random.Random(seed)
        roles: dict[str, tuple[str, ...]] = {"up": ("up", "--port", str(port))}
        if not stack.embedded:
            roles = {
                "relay": ("relay",),
                "consume 1": ("consume",),
                "consume 2": ("consume",),
                "serve": ("serve", "--port", str(port)),
                "timer": ("timer",),
                WITNESS: ("consume",),
            }
        self._roles = roles
        self._held: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rage, name="storm")
        self.children: dict[str, Child] = {name: self._start(name).works() for name in roles}
        self.kills: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()

    def start(self) -> None:
        """Let it begin."""
        for seed, fault in enumerate(FAULTS):
            self._stack.shop.fault(**{"times": None, "seed": seed, **fault})
        self._thread.start()

    def end(self) -> None:
        """Let it end: everything runs, the shop is well."""
        self._stop.set()
        self._thread.join()
        self._stack.shop.control("DELETE", "faults")
        self._stack.shop.control("DELETE", "outage")

    def fallen(self) -> list[str]:
        """The roles whose process ended by itself."""
        return [name for name, child in self.children.items() if not child.alive]

    def _start(self, name: str) -> Child:
        return self._stack.start_module("app", self._roles[name], IMPATIENT, anew=True)

    def _rage(self) -> None:
        seen, next_outage = 0, time.monotonic() + OUTAGE_EVERY
        while not self._stop.wait(self._random.uniform(*BETWEEN_SECONDS)):
            self._let_go(time.monotonic())
            if time.monotonic() > next_outage:
                next_outage = time.monotonic() + OUTAGE_EVERY
                self._stack.shop.control("POST", "outage", {"seconds": OUTAGE_SECONDS})
            if self._stack.shop.count_calls() >= seen + CALLS_BETWEEN:
                seen = self._stack.shop.count_calls()
                name = self._random.choice([name for name in self._roles if name != WITNESS])
                (self._hold if self._random.random() < HOLD_SHARE else self._kill)(name)
        self._let_go(float("inf"))

    def _kill(self, name: str) -> None:
        if not self.children[name].alive:
            return
        self.children[name].kill()
        self.kills[name] += 1
        self._held.pop(name, None)
        self.children[name] = self._start(name)

    def _hold(self, name: str) -> None:
        if not self._held and self._signal(name, signal.SIGSTOP):
            self.stops[name] += 1
            self._held[name] = time.monotonic() + self._random.uniform(*HOLD_SECONDS)

    def _let_go(self, now: float) -> None:
        for name in [name for name, until in self._held.items() if until <= now]:
            del self._held[name]
            self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.children[name].pid, number)
            return True
        return False
