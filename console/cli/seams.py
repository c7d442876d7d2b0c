"""The seams of the command line: everything it needs from the other rooms, filled in by the wiring.

Nothing here may do work before it is called: ``towpath --help`` builds all of it and calls none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broker.operations import Operations
    from broker.transports.seam import Transport


class Opening(StrEnum):
    """What a command opens the operator surface for.

    ``LOOK``: it only reads, and must work beside a running ``towpath up`` on the same SQLite file.
    ``CHANGE``: it also writes.
    ``EXAMINE``: as ``LOOK``, and a connection to the message broker is tried, so its check tells the truth.
    In no case is a message broker that is away an error of opening.
    """

    LOOK = "look"
    CHANGE = "change"
    EXAMINE = "examine"


@dataclass(frozen=True, slots=True)
class Roles:
    """Which roles one process plays, and which job types it consumes (none: it does not consume).

    ``host`` and ``port`` count where it serves; ``None`` takes the setting, port 0 a free one.
    """

    serve: bool = False
    jobs: tuple[str, ...] = ()
    timer: bool = False
    relay: bool = False
    host: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the trading day is played.

    ``broker`` and ``database`` are URLs, ``None`` for the embedded default in a fresh folder. ``keep`` leaves
    everything running after the verdict until the user stops it.
    """

    json: bool = False
    broker: str | None = None
    database: str | None = None
    keep: bool = False
    seed: int = 1
    orders: int = 300


@dataclass(frozen=True, slots=True)
class DemoProgress:
    """How far the demo's day is, a few times a second.

    ``waiting`` counts open deliveries, ``calls`` those the shop saw; ``tasks`` are lines about missing mappings.
    """

    seconds: float
    scene: str
    bought: int
    imported: int
    events: int
    settled: int
    waiting: int
    calls: int
    crashes: int
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Doors:
    """What lies behind the commands. Any may raise TowpathError; its sentence is shown.

    ``open_operations``
        The operator surface for the length of one command, see :class:`Opening`; the database must be there.
    ``open_transport``
        The configured transport, started, for the length of ``topology declare`` or ``check``.
    ``run_roles``
        Plays the roles in this process until SIGINT or SIGTERM, then ends them in order; the exit code.
    ``run_demo``
        Plays the demo, calling back with its progress; the report, ready for JSON, with ``passed`` in it.
    ``run_sandbox``
        Runs the sandbox with these arguments, the shop's name first (``["bright-sites", "--port", "9000"]``);
        the exit code. SystemExit of its own argument parser passes through.
    ``upgrade_database``
        Brings the tables to this version; a sentence for each step taken, none when nothing had to be done.
    ``rotate_keys``
        Seals stored secrets anew under the first key of TOWPATH_SECRET_KEYS; a sentence per kind of secret.
    ``asyncapi``
        The AsyncAPI document of the event contract, ready for JSON.
    ``schemas``
        Event type to JSON Schema of its whole envelope, ready for JSON.
    ``settings_summary``
        Setting to value as ``doctor`` shows it, in the order to show. Secrets are left out or masked.
    ``debug``
        Whether an unexpected error shows its traceback (TOWPATH_LOG=debug).
    """

    open_operations: Callable[[Opening], AbstractAsyncContextManager[Operations]]
    open_transport: Callable[[], AbstractAsyncContextManager[Transport]]
    run_roles: Callable[[Roles], int]
    run_demo: Callable[[DemoOptions, Callable[[DemoProgress], None]], Mapping[str, Any]]
    run_sandbox: Callable[[Sequence[str]], int]
    upgrade_database: Callable[[], Sequence[str]]
    rotate_keys: Callable[[], Sequence[str]]
    asyncapi: Callable[[], Mapping[str, Any]]
    schemas: Callable[[], Mapping[str, Any]]
    settings_summary: Callable[[], Mapping[str, str]]
    debug: bool = False
