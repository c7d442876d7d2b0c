"""The page of promises names tests that exist, and each row of the fault matrix that must be tested is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.docs.fences import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text()
FAULTS = ROOT / "tests" / "faults"
ROWS = [f"F{row:02}" for row in (1, 2, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 17, 18, 19, 21, 22, 24, 25, 28, 29)]
NAMES = sorted(set(re.findall(r"`(tests/[^`\s]*)`", PAGE)))


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file, as functions or methods, read without importing it."""
    tree = ast.parse((ROOT / path).read_text())
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def named_by(name: str) -> Iterator[str]:
    """The tests that a name of the page stands for: ``path``, ``path::test`` or ``path::beginning*``."""
    path, _, test = name.partition("::")
    for each in names_in(path):
        if not test or each == test or (test.endswith("*") and each.startswith(test[:-1])):
            yield each


def test_the_page_names_tests() -> None:
    assert len(NAMES) > 50


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("/")])
def test_every_test_the_page_names_exists(name: str) -> None:
    assert (ROOT / name.partition("::")[0]).is_file(), f"there is no file {name}"
    assert list(named_by(name)), f"there is no test {name}"


@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_fault_matrix_has_a_test_and_is_named_with_it(row: str) -> None:
    files = sorted(FAULTS.glob("test_*.py"))
    there = {each for file in files for each in names_in(str(file.relative_to(ROOT))) if f"_{row}_" in each}
    assert there, f"no test in tests/faults is named after {row}"
    (line,) = re.findall(rf"^\| {row} \|.*$", PAGE, re.MULTILINE)
    told = {each for name in re.findall(r"`(tests/[^`\s]*)`", line) for each in named_by(name)}
    assert there <= told, f"row {row} does not name {sorted(there - told)}"


def test_each_promise_says_where_it_does_not_hold() -> None:
    promises = re.findall(r"^## \d\. .*?(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    assert len(promises) == 9
    for promise in promises:
        assert "**Does not hold**" in promise, promise.splitlines()[0]
