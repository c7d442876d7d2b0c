"""Places to run commands in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.console.cli.support import Place


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database has account acme and its channel bright-main; made once, to be copied."""
    folder = tmp_path_factory.mktemp("furnished")
    Place(folder).set_up()
    return folder


@pytest.fixture
def empty_place(tmp_path: Path) -> Place:
    """A folder without a database."""
    return Place(tmp_path)


@pytest.fixture
def place(tmp_path: Path, furnished: Path) -> Place:
    """A database with account acme and its channel bright-main."""
    for file in furnished.glob("towpath.db*"):
        shutil.copy(file, tmp_path)
    return Place(tmp_path)
