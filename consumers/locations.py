"""Which way stock goes: to the shop as a whole, or to each of its locations where its platform has such."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from broker.handling import Answer, Handler, Run
from domain.ports import LocationOpener, StockLocations

LocationHandler = Callable[[Run, StockLocations], Awaitable[Sequence[Answer]]]
"""As a :data:`broker.handling.Handler`, of a shop with locations."""


def by_location(plain: Handler, at_locations: LocationHandler, opener: LocationOpener) -> Handler:
    """A handler of one job type for all platforms: ``at_locations`` for those with locations, ``plain`` for others."""

    async def handle(run: Run) -> Sequence[Answer]:
        locations = opener(run.channel, run.guard)
        return await (plain(run) if locations is None else at_locations(run, locations))

    handle.__name__ = plain.__name__
    return handle
