"""The tutorial, command by command, as a reader would type it; what it shows is what is said."""

from __future__ import annotations

import pytest

from tests.docs.fences import ROOT, fences
from tests.docs.reader import Reader, follow, is_shown


@pytest.mark.timeout(180)
def test_the_tutorial_works_as_it_is_written_and_shows_what_is_said(reader: Reader) -> None:
    page = list(fences(ROOT / "docs" / "tutorial.md"))
    assert sum(fence.language == "text" for fence in page) >= 20
    follow(reader, page)


@pytest.mark.parametrize(
    ("said", "shown", "same"),
    [
        ("one  two\nthree\n", "one two\nthree", True),
        ("one\ntwo\nthree\n", "one\n…\nthree", True),
        ("one\nthree\n", "one\n…\nthree", True),
        ("a number 17 here\n", "a number … here", True),
        ("one\ntwo\n", "one", False),
        ("one\n", "one\ntwo", False),
        ("a\nb\n", "a … b", False),
    ],
)
def test_what_a_page_shows_is_the_whole_of_what_is_said_but_for_its_ellipses(said: str, shown: str, same: bool) -> None:
    assert is_shown(said, shown) is same
