"""What a run starts is gone after it, even when the run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.services.process import Workshop, is_alive, wait_until

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys, time
from tests.services.process import Workshop
shop = Workshop("test")
process = shop.start(["sh", "-c", "sleep 300 & sleep 300"], {"PATH": sys.argv[1]}, "log")
print(process.pid, shop.folder, flush=True)
time.sleep(300)
"""


def test_a_killed_run_leaves_neither_processes_nor_folder() -> None:
    command = [sys.executable, "-c", RUN, os.environ["PATH"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout is not None
        pid, folder = run.stdout.readline().split()
        started = is_alive(int(pid)) and Path(folder).exists()
        run.send_signal(signal.SIGKILL)
    assert started
    assert wait_until(lambda: not is_alive(int(pid)) and not Path(folder).exists(), 10)


def test_closing_a_workshop_twice_does_no_harm() -> None:
    shop = Workshop("test")
    process = shop.start(["sleep", "300"], os.environ, "log")
    shop.close()
    shop.close()
    assert process.returncode == -signal.SIGKILL
    assert not shop.folder.exists()
