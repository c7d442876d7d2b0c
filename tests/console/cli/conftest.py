"""Places to run commands in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.cli.support import Place


@pytest.fixture
def empty_place(tmp_path: Path) -> Place:
    """A database without anything in it."""
    return Place(tmp_path)


@pytest.fixture
def place(empty_place: Place) -> Place:
    """A database with account acme and its channel bright-main."""
    empty_place.set_up()
    return empty_place
