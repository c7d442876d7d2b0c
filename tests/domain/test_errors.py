"""The tree of errors is the one its docstring draws."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from domain import errors
from domain.errors import ShopError, ShopThrottled, TowpathError

_ENTRY = re.compile(r"^(?P<indent>[ │]*)(?:[├└]── )?(?P<name>[A-Z]\w+)(?:  +(?P<meaning>.+))?$")


def drawn() -> dict[str, str]:
    """Name → name of the parent, as the docstring draws them."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines()[1:]:
        if match := _ENTRY.match(line):
            depth = len(match["indent"]) // 4 + ("──" in line)
            path[depth:] = [match["name"]]
            parents[match["name"]] = path[depth - 1] if depth else ""
    return parents


def existing() -> Iterator[type[TowpathError]]:
    for _, each in inspect.getmembers(errors, inspect.isclass):
        if issubclass(each, TowpathError):
            yield each


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    parents = {each.__name__: each.__base__.__name__ for each in existing() if each.__base__}
    parents[TowpathError.__name__] = ""
    assert drawn() == parents


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in existing()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", list(existing()), ids=lambda kind: kind.__name__)
def test_an_error_carries_its_sentence_and_code(kind: type[TowpathError]) -> None:
    error = kind("The shop said no.")
    assert (error.sentence, str(error), error.code) == ("The shop said no.", "The shop said no.", kind.code)


def test_a_narrower_code_stays_with_the_one_error() -> None:
    assert ShopError("x", code="sku_unknown", status=404).code == "sku_unknown"
    assert ShopError("x").code == "shop_error"
    assert (ShopError("x", status=404).status, ShopError("x").status) == (404, None)


def test_a_throttled_call_knows_how_long_to_wait_where_the_shop_said() -> None:
    said = ShopThrottled("Slow down.", retry_after=7.5)
    assert (said.retry_after, said.status, said.code) == (7.5, 429, "shop_throttled")
    assert ShopThrottled("Slow down.").retry_after is None
