"""The program as a process of its own: interrupted, on a terminal, at the end of a broken pipe."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.outcomes import Done
from tests.console.cli.support import Place, order_created

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys, pathlib, signal
# Where the tests run in the background of a shell, Ctrl-C is ignored, and a child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from console.cli import build
from tests.console.cli.support import Place
build(Place(pathlib.Path(sys.argv[1])).doors)(sys.argv[2:])
"""
DEADLINE = 30.0


def start(place: Place, *words: str, env: Mapping[str, str] | None = None, **how: Any) -> subprocess.Popen[bytes]:
    """Start a command line."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", **(env or {})}
    if env is None:
        given.pop("NO_COLOR", None)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place.folder), *words],
        cwd=ROOT,
        env=given,
        start_new_session=True,
        **how,
    )


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """What comes until ``wanted`` was in it, or the other side is gone."""
    seen, end = b"", time.monotonic() + DEADLINE
    while wanted not in seen and time.monotonic() < end:
        if not select.select([descriptor], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(descriptor, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    return seen


def wait_for_silence(terminal: int) -> None:
    """Wait until what is typed is no longer echoed."""
    end = time.monotonic() + DEADLINE
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < end, "the terminal still echoes"
        time.sleep(0.01)


def test_following_shows_new_rows_until_ctrl_c_which_is_no_failure(place: Place) -> None:
    place.publish(order_created("old"))
    place.attempt(Done("Before."))
    process = start(place, "logs", "--follow", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    end, number = time.monotonic() + DEADLINE, 0
    while not select.select([process.stdout], [], [], 0.2)[0] and time.monotonic() < end:
        number += 1
        place.publish(order_created(f"new-{number}"))
        place.attempt(Done("Now."))
    row = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert row["sentence"] == "Now."
    assert process.returncode == 0
    assert errors == b""


def on_terminal(
    place: Place,
    *words: str,
    answer: bytes = b"",
    questions: Sequence[bytes] = (b"(not shown):",),
    env: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Run a command line on a terminal, answering its questions alike; exit code and all that the terminal showed."""
    ours, theirs = os.openpty()
    process = start(place, *words, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    for question in questions if answer else ():
        shown += read_until(ours, question)
        wait_for_silence(ours)
        os.write(ours, answer + b"\n")
    shown += read_until(ours, b"\x00never\x00")
    os.close(ours)
    return process.wait(DEADLINE), shown


def test_a_token_that_is_asked_for_is_not_shown(place: Place) -> None:
    code, shown = on_terminal(place, "channels", "token", "acme/bright-main", answer=b"typed-secret-token-42ab")
    assert code == 0, shown
    assert b"typed-secret" not in shown
    assert place.json("channels", "list")[0]["token_ending"] == "42ab"


def test_a_password_that_is_asked_for_is_not_shown(place: Place) -> None:
    place.run("users", "add", "first@example.com", "--name", "First")
    words, twice = ("users", "password", "first@example.com"), (b"(not shown):", b"Once more:")
    code, shown = on_terminal(place, *words, answer=b"a typed sentence that is long", questions=twice)
    assert code == 0, shown
    assert b"typed sentence" not in shown
    assert place.json("users", "list")[0]["has_password"]


def test_a_terminal_gets_colour_unless_no_color_is_set(place: Place) -> None:
    place.publish(order_created("4711"))
    assert b"\x1b[36mready" in on_terminal(place, "messages")[1]
    assert b"\x1b[36m" not in on_terminal(place, "messages", env={"NO_COLOR": "1"})[1]


def test_a_reader_that_leaves_early_causes_no_noise(place: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(place, "topology", "show", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert errors == b""
