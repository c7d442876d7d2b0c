"""The process entry: help needs nothing, wrong settings are one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.app.shop import ROOT

HEAVY = ("sqlalchemy", "alembic", "fastapi", "uvicorn", "pika", "kombu", "aiohttp", "httpx", "pydantic_settings")
LOADED = f"""
import sys
from app.__main__ import main
try:
    main()
finally:
    print("LOADED", *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_reads_no_setting_and_makes_no_file(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "app", "--help", TOWPATH_NONSENSE="1", TOWPATH_HTTP_PORT="many")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_loads_no_database_no_broker_and_no_web_framework(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", LOADED, "--help")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "LOADED"


def test_an_unknown_setting_ends_every_role_with_one_sentence_that_names_the_nearest(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "app", "up", TOWPATH_BROKER_ULR="journal:")
    assert done.returncode == 1
    assert done.stderr.strip() == "There is no setting TOWPATH_BROKER_ULR. Did you mean TOWPATH_BROKER_URL?"


def test_a_database_that_is_away_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://towpath:hidden-word@127.0.0.1:9/towpath"
    done = run(tmp_path, "-m", "app", "up", TOWPATH_DATABASE_URL=url)
    assert done.returncode == 1
    assert "hidden-word" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "database" in done.stderr
