"""A reader at an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.reader import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Types the commands of a page; what it started is ended afterwards."""
    made = Reader(tmp_path)
    yield made
    made.stop()
