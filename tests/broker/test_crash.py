"""Crash points end a process as ``kill -9`` would, and only where asked. Each test has a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from broker.crash import POINTS

ROOT = Path(__file__).parents[2]
KILLED = 137
CHILD = """
import atexit, sys
from broker.crash import crash_point
atexit.register(lambda: print("cleaned up", flush=True))
try:
    for passage in range(1, 4):
        print(passage, flush=True)
        crash_point("worker.before_call")
        crash_point("worker.after_call")
finally:
    print("finally", flush=True)
"""


def run(environment: Mapping[str, str]) -> tuple[int, list[str]]:
    ended = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def test_without_being_asked_no_point_ends_the_process() -> None:
    assert run({}) == (0, ["1", "2", "3", "finally", "cleaned up"])
    assert run({"TOWPATH_CRASH_AT": ""})[0] == 0


@pytest.mark.parametrize("elsewhere", ["worker.before", "worker.before_call_", "relay.after_publish"])
def test_another_point_does_not_end_it(elsewhere: str) -> None:
    assert run({"TOWPATH_CRASH_AT": elsewhere})[0] == 0


def test_the_named_point_ends_it_at_once_without_any_clean_up() -> None:
    assert run({"TOWPATH_CRASH_AT": "worker.before_call"}) == (KILLED, ["1"])


@pytest.mark.parametrize("point", ["worker.before_call", "worker.after_call"])
def test_a_number_names_the_passage(point: str) -> None:
    assert run({"TOWPATH_CRASH_AT": f"{point}:3"}) == (KILLED, ["1", "2", "3"])
    assert run({"TOWPATH_CRASH_AT": f"{point}:4"})[0] == 0


def test_with_a_file_the_crash_happens_once_over_all_processes(tmp_path: Path) -> None:
    once = tmp_path / "crashed"
    environment = {"TOWPATH_CRASH_AT": "worker.before_call:2", "TOWPATH_CRASH_ONCE_FILE": str(once)}
    assert run(environment) == (KILLED, ["1", "2"])
    assert once.exists()
    assert run(environment)[0] == 0


def test_the_list_of_points_is_the_points_in_the_code() -> None:
    used: set[str] = set()
    for room in ("app", "broker", "connectors", "consumers", "producers", "storage"):
        for path in (ROOT / room).glob("**/*.py"):
            used |= set(re.findall(r"crash_point\(\"([^\"]+)\"\)", path.read_text("utf-8")))
    assert used == set(POINTS)
