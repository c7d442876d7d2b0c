"""Roles asked for in plain words, begun without what the command line needs to explain itself: some 6 MB less.

Only what is plainly right is taken here. All else (help, a wrong word, an unknown job type) goes to
:mod:`console.cli`, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.lean import load_without_colours

ROLES: Mapping[str, Mapping[str, bool]] = {
    "up": {"relay": True, "consume": True, "timer": True, "serve": True},
    "serve": {"serve": True},
    "consume": {"consume": True},
    "timer": {"timer": True},
    "relay": {"relay": True},
}


def plain_roles(words: Sequence[str]) -> Mapping[str, Any] | None:
    """What :func:`play_roles` takes, from the words of a command line; ``None`` where they are not plain."""
    command, *rest = words or [""]
    given = _given(command, rest) if command in ROLES else None
    return None if given is None else {**ROLES[command], **given}


def play_roles(**roles: Any) -> None:
    """Play the roles of a :class:`app.roles.Cast` in this process until it is told to stop.

    Raises:
        TowpathError: they cannot start.
    """
    load_without_colours("structlog", "httpx")
    from app.logs import configure  # noqa: PLC0415 - httpx must have been loaded before
    from app.roles import Cast, play  # noqa: PLC0415 - same
    from app.running import run_roles  # noqa: PLC0415 - same
    from app.settings import load  # noqa: PLC0415 - same

    cast, settings = Cast(**roles), load()
    configure(settings.log, settings.log_format)
    run_roles(play(settings, cast))


def _given(command: str, rest: Sequence[str]) -> dict[str, Any] | None:
    if command == "consume":
        return _jobs(rest)
    if command == "up":
        address = _address(rest)
        return None if address is None else {**address, **(_jobs([]) or {})}
    if command == "serve":
        return _address(rest)
    return None if rest else {}


def _address(rest: Sequence[str]) -> dict[str, Any] | None:
    names, values = rest[::2], rest[1::2]
    found = dict(zip(names, values, strict=False))
    host, port = found.get("--host"), found.get("--port")
    plain = len(names) == len(values) == len(found) and found.keys() <= {"--host", "--port"}
    if not plain or (host or "").startswith("-") or not (port is None or _is_port(port)):
        return None
    return {"host": host, "port": port if port is None else int(port)}


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535


def _jobs(names: Sequence[str]) -> dict[str, Any] | None:
    from domain.jobs import JOB_TYPES  # noqa: PLC0415 - loads the event models

    if any(name not in JOB_TYPES for name in names):
        return None
    return {"jobs": tuple(dict.fromkeys(names)) or tuple(JOB_TYPES)}
