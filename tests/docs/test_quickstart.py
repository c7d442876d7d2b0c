"""The quickstart, command by command, as a reader would type it."""

from __future__ import annotations

from tests.docs.fences import ROOT, fences
from tests.docs.reader import Reader, follow


def test_the_quickstart_works_as_it_is_written(reader: Reader) -> None:
    page = list(fences(ROOT / "docs" / "quickstart.md"))
    assert sum(fence.language == "sh" for fence in page) >= 8
    follow(reader, page)
