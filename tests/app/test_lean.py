"""What is left out of a role's process: it works without, and others still get it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.app.test_entry import run

WORKER = """
import sys
LOADED = ["httpx", "structlog", "rich", "click", "pygments", "typer", "console", "argon2", "broker.operations"]
import app.running
app.running.run_roles = lambda work: work.close()
from app.__main__ import main
sys.argv = ["towpath", "consume"]
try:
    main()
finally:
    print(*[name for name in LOADED if name in sys.modules])
"""
AFTERWARDS = """
from app.lean import load_without_colours
load_without_colours("structlog", "httpx")
import httpx, rich.console, click, pygments
print(httpx.Client().timeout.read)
"""


def test_a_worker_loads_neither_colours_nor_commands_nor_what_people_ask(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", WORKER)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["httpx", "structlog"]


def test_what_was_left_out_can_be_loaded_later(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", AFTERWARDS)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


def test_what_is_loaded_already_stays() -> None:
    import rich

    from app.lean import load_without_colours

    load_without_colours("structlog", "httpx")
    assert sys.modules["rich"] is rich
