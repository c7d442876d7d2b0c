"""The lock beside a SQLite file: one Towpath process works on it, a second one is told so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from storage.database import Database

OPEN = "import sys; from storage.database import Database; Database(sys.argv[1]); print('open', flush=True); input()"


def test_a_second_process_is_told_who_works_on_the_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/towpath.db"
    first = Database(url)
    try:
        command = [sys.executable, "-c", OPEN, url]
        second = subprocess.run(command, check=False, capture_output=True, text=True, input="\n")
    finally:
        first.close()
    assert second.returncode == 1
    assert "already_running" not in second.stdout
    assert f"Another Towpath process (pid {os.getpid()}) works on {tmp_path}/towpath.db." in second.stderr
    assert "Stop it" in second.stderr


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/towpath.db"
    with subprocess.Popen([sys.executable, "-c", OPEN, url], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(ConfigurationError, match=rf"pid {first.pid}\)") as caught:
            Database(url)
        first.kill()
    assert caught.value.code == "already_running"
    Database(url).close()


def test_the_lock_is_given_back_when_the_database_is_closed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/towpath.db"
    Database(url).close()
    Database(url).close()


def test_a_tool_that_only_looks_needs_no_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/towpath.db"
    worker, tool = Database(url), Database(url, exclusive=False)
    tool.close()
    worker.close()
