"""How long and how large an outbound call may be, and whom it may reach besides the public internet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

AllowedHosts = frozenset[tuple[str, int]]
"""(host, port) pairs that may be dialled although not public, over plain http too: tests and the sandbox."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of the shared transport. Times in seconds, sizes in bytes.

    ``total_seconds`` is the deadline of one call from the wait for a connection to the last byte of the
    answer; it must stay below the lease of a delivery. One host gets at most ``connections_per_host`` of
    ``connections``, so that a shop that hangs leaves room for the others.
    """

    connect_seconds: float = 3.0
    total_seconds: float = 30.0
    keepalive_seconds: float = 15.0
    connections: int = 300
    connections_per_host: int = 100
    answer_bytes: int = 20 * 1024 * 1024


def allowed_hosts(pairs: Iterable[tuple[str, int]]) -> AllowedHosts:
    """The pairs with lower-case host names and without repetitions."""
    return frozenset((host.lower(), port) for host, port in pairs)
