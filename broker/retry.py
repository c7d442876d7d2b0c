"""Retry arithmetic: pure, and printed here as the table that operators see.

    failure   waits (before jitter)   since the first failure
       1            5 s                     5 s
       2           15 s                    20 s
       3           45 s                   1 min
       4            2 min                 3 min
       5            7 min                10 min
       6           20 min                30 min
       7            1 h                 1 h 30
       8            3 h                 4 h 30
       9            6 h                10 h 30
      10          dead                    -

Only failures of the delivery itself spend this budget. A shop that is down, throttles, or refuses the token costs none:
its work waits until the channel's gate opens.
"""

from __future__ import annotations

import hashlib

LADDER_SECONDS = (5.0, 15.0, 45.0, 120.0, 420.0, 1200.0, 3600.0, 10800.0, 21600.0)
JITTER = 0.1


def wait_after(failures: int, key: str) -> float | None:
    """Seconds to wait after the ``failures``-th failure (from 1); ``None`` when the budget is spent.

    The jitter (up to ±10 %) is a stable function of ``key`` and the count, so that a replayed computation agrees
    and a thousand failures of one moment do not come back in one moment.
    """
    if failures < 1:
        raise ValueError("failures count from 1")
    if failures > len(LADDER_SECONDS):
        return None
    share = int.from_bytes(hashlib.blake2b(f"{key}/{failures}".encode(), digest_size=8).digest()) / 2**64
    return LADDER_SECONDS[failures - 1] * (1 + JITTER * (2 * share - 1))


GATE_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""How long a channel's gate stays closed after the first, second, … failed probe."""


def gate_wait(strikes: int) -> float:
    """Seconds a gate stays closed after ``strikes`` failed openings in a row (from 1)."""
    return GATE_SECONDS[min(max(strikes, 1), len(GATE_SECONDS)) - 1]
