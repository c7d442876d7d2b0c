"""A sandbox shop per test, and the connectors that may call it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from connectors import Connectors
from connectors.http import HttpLimits
from domain.channels import Channel
from domain.ports import Shop
from sandbox.bright_sites import Fault, RunningShop, ShopSettings, start_in_thread
from tests.connectors.support import RecordingGuard, channel_at

READ_WRITE = "sandbox-read-write"
READ_ONLY = "sandbox-read-only"


@dataclass
class Bench:
    """A sandbox shop, its channel, and ways to look at what happened."""

    sandbox: RunningShop
    connectors: Connectors
    channel: Channel
    guard: RecordingGuard
    shop: Shop

    def fault(self, kind: str, **settings: object) -> None:
        self.sandbox.shop.faults.add(Fault.model_validate({"kind": kind, **settings}))

    def calls(self) -> list[tuple[str, str]]:
        """Method and path of every call the sandbox saw, without the API prefix."""
        seen = self.sandbox.shop.ledger.calls
        return [(call.method, call.path.removeprefix("/api/v2.7.0")) for call in seen]

    def effects(self, kind: str) -> int:
        return sum(effect.kind == kind for effect in self.sandbox.shop.ledger.effects)

    def with_token(self, token: str) -> tuple[Shop, RecordingGuard]:
        guard = RecordingGuard()
        return self.connectors.open(channel_at(self.channel.domain, token), guard), guard


@asynccontextmanager
async def open_bench(settings: ShopSettings, total_seconds: float = 5.0) -> AsyncIterator[Bench]:
    with start_in_thread(settings) as sandbox:
        host, port = sandbox.url.removeprefix("http://").split(":")
        connectors = Connectors(HttpLimits(connect_seconds=1.0, total_seconds=total_seconds), [(host, int(port))])
        guard = RecordingGuard()
        channel = channel_at(f"{host}:{port}", READ_WRITE)
        yield Bench(sandbox, connectors, channel, guard, connectors.open(channel, guard))
        await connectors.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench(ShopSettings(products=6, variants=4, gift_certificate_share=0.0)) as opened:
        yield opened
