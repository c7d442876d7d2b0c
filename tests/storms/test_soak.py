"""Half a minute of the soak (``make soak`` takes ten)."""

from __future__ import annotations

import pytest

from bench.soak.run import Wish, soak
from bench.soak.storm import WITNESS
from tests.app.harness import Office, Stack

SECONDS = 30.0


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)
def test_half_a_minute_of_load_and_kills_keeps_every_promise(stack: Stack, office: Office) -> None:
    lines: list[str] = []
    account = soak(stack, office, Wish(SECONDS, per_second=60, seed=2), lines.append)
    told = "\n".join(lines)
    assert account.kept, f"{account}\n{told}"
    assert account.tally.accepted > 10 * SECONDS, told
    assert sum(account.kills.values()) + sum(account.stops.values()) >= 5, account
    memory = next(trend for trend in account.trends if trend.what.startswith(f"{WITNESS}: memory"))
    assert memory.flat, memory
