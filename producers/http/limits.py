"""The bounds of the HTTP door: every buffer, wait and crowd has one."""

from __future__ import annotations

from dataclasses import dataclass

from domain.envelope import MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much the door takes and how long it waits. Sizes in bytes, times in seconds.

    ``answer_seconds`` is what checking the key and storing the events may take together before the sender
    hears 503. ``waiting_events`` and ``waiting_bytes`` bound what stands in line for the database over all
    senders; ``admit_events`` is the most that one transaction takes in. ``lookups``, ``sign_ins``
    (each takes 64 MiB while its password is checked) and ``long_polls`` are the most at once.
    """

    event_bytes: int = MAX_BODY_BYTES
    batch_bytes: int = 4 * 1024 * 1024
    batch_events: int = 1000
    json_depth: int = 32
    body_seconds: float = 20.0
    answer_seconds: float = 1.8
    waiting_events: int = 5000
    waiting_bytes: int = 64 * 1024 * 1024
    admit_events: int = 1000
    lookups: int = 64
    sign_ins: int = 4
    long_polls: int = 64
    key_fresh_seconds: float = 1.0
    statistics_fresh_seconds: float = 2.0
    retry_after_seconds: int = 2
