"""Reading a paged list to its end (API facts, section 1, Pagination)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.bright_sites.reading import rows
from connectors.http import Caller, Operation
from domain.errors import ShopDown

PER_PAGE = 500
"""Rows asked for per page: the largest the API takes."""

MOST_PAGES = 2_000
"""Pages after which a list is taken for endless."""


async def read_pages(
    caller: Caller, operation: Operation, root: str, query: Mapping[str, str | int]
) -> list[Mapping[str, Any]]:
    """All rows of a list, in the shop's order, repetitions included.

    A list ends with an empty page; where the answer carries ``meta``, also as soon as ``total`` rows were
    seen (a shop may give fewer per page than asked for), else with a page that is not full.

    Raises:
        ShopError: a page could not be read, or the shop gives the same page again and again.
    """
    found: list[Mapping[str, Any]] = []
    last: list[Mapping[str, Any]] = []
    for number in range(1, MOST_PAGES + 1):
        document = await caller.call(operation, query={**query, "page": number, "per_page": PER_PAGE})
        page = rows(document, root)
        found += page
        if not page or _is_last(document, len(page), len(found)):
            return found
        if page == last:
            break
        last = page
    raise ShopDown(
        f"Channel {caller.channel.code}: {operation.title} does not come to an end. "
        "The shop repeats a page; it is tried again.",
        code="unreadable_answer",
        status=200,
    )


def _is_last(document: Mapping[str, Any], in_page: int, in_all: int) -> bool:
    meta = document.get("meta")
    total = meta.get("total") if isinstance(meta, Mapping) else None
    # The documentation's own examples show zeros in "meta" beside rows, so a zero says nothing.
    return in_all >= total if isinstance(total, int) and total > 0 else in_page < PER_PAGE
