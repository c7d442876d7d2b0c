"""A batch that is prepared while another is being stored comes in like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg.errors import SerializationFailure
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from broker.ledger import Hands, Incoming, TakenIn
from storage.ledger import admit
from storage.tables import channel_stock, deliveries, messages, stock_levels
from tests.storage.support import ALL_JOBS, Site, keys, order, shipment, stock

READY = Hands("w1", frozenset(ALL_JOBS), room=100)


def mixed() -> list[Incoming]:
    """Stock, an order, a parcel, a copy, another event under a name that is taken, and one for nobody."""
    return [
        stock("MUG", 1, id="s-1"), stock("MUG", 2, id="s-2"), order("1", id="o"), shipment("2", id="p"),
        order("1", id="o"), order("3", id="p"), order("4", account="nobody"),
    ]  # fmt: skip


async def take_in(site: Site, batch: list[Incoming], **hands: Any) -> TakenIn:
    return await site.ledger.take_in(batch, (), replace(READY, **hands))


def fates(taken: TakenIn) -> list[Any]:
    """What became of each event, without the ids."""
    return [(each.duplicate, each.jobs, each.error and each.error.code) for each in taken.answers]


async def test_a_prepared_batch_gets_the_answers_of_one_that_is_not(site: Site) -> None:
    batch = mixed()
    await site.ledger.prepare(batch)
    taken = await take_in(site, batch)
    assert sorted(keys(taken.claims)) == [["1"], ["2"]]
    bodies = sorted(bytes(row.body) for row in site.rows(messages))
    assert bodies == sorted(each.body for each in (*batch[:4],))
    assert [(row.sku, row.version) for row in site.rows(stock_levels)] == [("MUG", 2)]
    assert fates(await take_in(site, batch)) == [
        (fate[0] or fate[2] is None, () if fate[2] is None else fate[1], fate[2]) for fate in fates(taken)
    ]


async def test_nothing_is_stored_by_preparing(site: Site) -> None:
    await site.ledger.prepare(mixed())
    assert site.rows(messages) == site.rows(deliveries) == site.rows(channel_stock) == []


async def test_what_was_prepared_for_one_batch_is_not_used_for_another(site: Site) -> None:
    await site.ledger.prepare([order("1", id="a")])
    await take_in(site, [order("2", id="b"), order("3", id="c")])
    assert sorted(row.event_id for row in site.rows(messages)) == ["b", "c"]


async def test_a_batch_that_grew_since_comes_in_whole(site: Site) -> None:
    batch = [order("1", id="a"), order("2", id="b")]
    await site.ledger.prepare(batch)
    batch.append(order("3", id="c"))
    assert len((await take_in(site, batch)).answers) == 3
    assert sorted(row.event_id for row in site.rows(messages)) == ["a", "b", "c"]


async def test_a_prepared_batch_is_not_made_a_second_time(
    postgresql_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = mixed()
    await postgresql_site.ledger.prepare(batch)
    monkeypatch.setattr(admit, "prepare", lambda *_: pytest.fail("made again"))
    assert len((await take_in(postgresql_site, batch)).answers) == len(batch)


async def test_a_prepared_batch_that_the_database_rolls_back_is_made_anew(postgresql_site: Site) -> None:
    site, refused = postgresql_site, list[None]()

    def refuse(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO deliveries" in statement and not refused:
            refused.append(None)
            raise OperationalError(statement, {}, SerializationFailure())

    batch = mixed()
    await site.ledger.prepare(batch)
    event.listen(site.database.engine, "before_cursor_execute", refuse)
    taken = await take_in(site, batch)
    event.remove(site.database.engine, "before_cursor_execute", refuse)
    assert refused
    assert sorted(keys(taken.claims)) == [["1"], ["2"]]
    assert len(site.rows(messages)) == 4
    assert {row.message_id for row in site.rows(deliveries)} == {row.id for row in site.rows(messages)}
