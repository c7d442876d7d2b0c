"""Whatever calls meet, in whatever order they come back: a gate that had its time lets calls through again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.gates import GateClosed, Gates
from domain.errors import ShopDown, ShopError, ShopRejected
from tests.broker.gates_twin import DOWN, POST, READ, SHOP, SLOW, STOCK, Clock, Store, call, stop_time

ENDS: dict[str, ShopError | None] = {
    "well": None,
    "refused": ShopRejected("No such order."),
    "503": DOWN,
    "slow": SLOW,
    "nobody": ShopDown("Found no connection.", reached=False),
}
STEP = st.one_of(
    st.tuples(st.just("enter"), st.integers(0, 1), st.sampled_from([POST, READ, STOCK])),
    st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from([*ENDS, "503", "503", "given up"])),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from([0.05, 0.5, 1.0, 3.0, 10.0])),
)
Step = tuple[str, int, object]


async def play(steps: list[Step], processes: list[Gates], clock: Clock) -> None:
    """Take the steps; then all that is under way comes back, badly."""
    under_way: list[tuple[Gates, str]] = []
    for kind, which, what in steps:
        if kind == "wait":
            assert isinstance(what, float)
            clock.now += what
        elif kind == "enter":
            with suppress(GateClosed):
                await processes[which].enter(SHOP, str(what))
                under_way.append((processes[which], str(what)))
        elif under_way:
            await end(*under_way.pop(which % len(under_way)), str(what))
    for gates, operation in under_way:
        await end(gates, operation, "503")


async def end(gates: Gates, operation: str, how: str) -> None:
    """A call comes back."""
    if how == "given up":
        gates.leave(SHOP, operation)
    elif not gates.went_well(SHOP, ENDS[how], operation):
        await gates.report(SHOP, ENDS[how], operation)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, max_size=80))
def test_every_operation_can_be_called_again_after_the_longest_closure(steps: list[Step]) -> None:
    async def work(clock: Clock) -> None:
        store = Store(clock)
        processes = [Gates(store), Gates(store)]
        await play(steps, processes, clock)
        clock.now += 120.0
        for _ in range(5):
            for gates in processes:
                for operation in (POST, READ, STOCK):
                    await call(gates, None, operation)
        assert store.closed == {}

    with pytest.MonkeyPatch.context() as patched:
        clock = stop_time(patched)
        asyncio.run(work(clock))
