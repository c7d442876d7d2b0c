"""Crash points: named places between two durable writes where a test can end the process as ``kill -9`` would."""

from __future__ import annotations

import os

_EXIT_CODE = 137

POINTS = (
    "admit.before_commit",
    "intake.after_commit",
    "settle.before_commit",
    "worker.before_call",
    "worker.after_call",
    "worker.after_settle",
    "relay.after_publish",
    "relay.after_announce",
    "timer.before_commit",
    "ingest.after_commit",
    "renewal.before_call",
    "renewal.after_call",
    "renewal.after_store",
)
"""Every point there is. ``TOWPATH_CRASH_AT=name`` ends the process there, ``name:N`` on the Nth passage."""

WANTED = os.environ.get("TOWPATH_CRASH_AT", "")
_passages: dict[str, int] = {}


def crash_point(name: str) -> None:
    """End the process at once, without any clean-up, when ``TOWPATH_CRASH_AT`` asks for it here.

    With ``TOWPATH_CRASH_ONCE_FILE`` set, the crash happens only while that file does not exist, and makes it.
    """
    if not WANTED:
        return
    point, _, count = WANTED.partition(":")
    if point != name:
        return
    _passages[name] = _passages.get(name, 0) + 1
    if _passages[name] < int(count or 1):
        return
    once = os.environ.get("TOWPATH_CRASH_ONCE_FILE")
    if once:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os._exit(_EXIT_CODE)
