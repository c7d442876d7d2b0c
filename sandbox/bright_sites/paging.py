"""Pages and their `meta` (facts §1, Pagination)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sandbox.bright_sites.answers import Answer
from sandbox.bright_sites.asking import Query
from sandbox.bright_sites.settings import ShopSettings

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list was asked for."""

    offset: int
    limit: int

    def cut(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items of this page."""
        return items[self.offset : self.offset + self.limit]

    def cut_reversed(self, items: Sequence[Item]) -> list[Item]:
        """The items of this page when the list is read from its end."""
        stop = max(len(items) - self.offset, 0)
        return list(reversed(items[max(stop - self.limit, 0) : stop]))


def read_page(query: Query, settings: ShopSettings) -> Page:
    """The page asked for; `per_page` above the largest page is clamped."""
    number = query.positive("page", 1)
    limit = min(query.positive("per_page", settings.default_per_page), settings.largest_page)
    return Page((number - 1) * limit, limit)


def page_answer(root: str, rendered: Sequence[str], total: int, page: Page) -> Answer:
    """A list answer with `meta`, joined from items that are JSON text already."""
    meta = f'{{"total":{total},"offset":{page.offset},"limit":{page.limit}}}'
    return Answer(200, f'{{"{root}":[{",".join(rendered)}],"meta":{meta}}}'.encode())
