"""A forked process does what one started anew does: its words, its exit code, its session, its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.app.forkserver import ForkServer
from tests.app.harness import Child
from tests.services.process import is_alive, wait_until


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
    root = str(Path(__file__).parents[2])
    return {**kept, "PYTHONPATH": root, "TOWPATH_DATA_DIR": str(folder), "TOWPATH_LOG_FORMAT": "json", **more}


def test_it_ends_with_the_words_and_the_exit_code_of_a_process_that_was_started_anew(tmp_path: Path) -> None:
    wrong = environment(tmp_path, TOWPATH_BROKER_ULR="journal:")
    forked, anew = (Child(["up"], wrong, tmp_path / f"{way}.log", anew=way) for way in (False, True))
    assert (forked.wait(), forked.text()) == (anew.wait(), anew.text())
    assert "TOWPATH_BROKER_ULR" in forked.text()


def test_it_has_a_session_and_a_folder_of_its_own_and_its_end_is_known(tmp_path: Path) -> None:
    child = Child(["up", "--port", "0"], environment(tmp_path), tmp_path / "up.log").works()
    assert os.getsid(child.pid) == child.pid
    assert Path(f"/proc/{child.pid}/cwd").resolve() == tmp_path
    child.kill()
    assert not child.alive
    assert not is_alive(child.pid)


def test_all_that_was_forked_ends_with_its_fork_server(tmp_path: Path) -> None:
    server = ForkServer()
    with (tmp_path / "up.log").open("a+b") as log:
        streams = (log.fileno(),) * 3
        child = server.start("app", ["up", "--port", "0"], environment(tmp_path), tmp_path, streams)
    assert child.poll() is None
    server.close()
    assert child.wait(10) == -signal.SIGKILL
    assert wait_until(lambda: not is_alive(child.pid), 10)
