from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from domain.synclog import Trigger
from storage.tables import messages
from tests.house import SmallHouse


def event(**attributes: Any) -> bytes:
    plain = {"specversion": "1.0", "id": "e-1", "source": "erp", "type": "order.created", "channel": "main"}
    data = {"external_order_id": "4711"}
    return json.dumps({**plain, "data": data, **attributes}).encode()


async def test_each_body_has_its_answer_in_order_and_bad_ones_spoil_no_good_one(house: SmallHouse) -> None:
    bodies = [event(id="1"), b"no json", event(id="2", channel="shut"), event(id="3"), event(id="1")]
    answers = await house.operations.ingest(bodies, account="acme")
    assert [answer.error.code if answer.error else None for answer in answers] == [
        None, "not_json", "unknown_channel", None, None,
    ]  # fmt: skip
    assert [answer.duplicate for answer in answers] == [False, False, False, False, True]
    assert answers[4].message_id == answers[0].message_id
    assert [answer.deliveries for answer in answers] == [1, 0, 0, 1, 0]


async def test_an_accepted_event_is_durable_when_the_answer_comes(house: SmallHouse) -> None:
    (answer,) = await house.operations.ingest([event()], account="acme")
    with house.database.engine.connect() as another:
        assert another.scalar(select(messages.c.id)) == answer.message_id


async def test_the_account_of_the_key_is_filled_in_where_the_event_names_none(house: SmallHouse) -> None:
    (answer,) = await house.operations.ingest([event()], account="acme")
    ((body,),) = await house.execute(select(messages.c.body).where(messages.c.id == answer.message_id))
    assert json.loads(body)["account"] == "acme"
    assert json.loads(body)["data"] == {"external_order_id": "4711"}


async def test_a_body_that_names_its_account_is_kept_byte_for_byte(house: SmallHouse) -> None:
    sent = event(account="acme").replace(b'"erp"', b'  "erp"')
    await house.operations.ingest([sent], account="acme")
    ((body,),) = await house.execute(select(messages.c.body))
    assert bytes(body) == sent


async def test_a_key_cannot_speak_for_another_account(house: SmallHouse) -> None:
    (answer,) = await house.operations.ingest([event(account="globex")], account="acme")
    assert answer.error is not None and answer.error.code == "wrong_account"
    assert "'acme'" in answer.error.sentence and "'globex'" in answer.error.sentence
    assert await house.execute(select(messages.c.id)) == []


async def test_without_an_account_the_event_must_name_one(house: SmallHouse) -> None:
    first, second = await house.operations.ingest([event(), event(account="acme")])
    assert first.error is not None and first.error.code == "account_missing"
    assert second.error is None


async def test_the_same_event_with_and_without_the_account_is_one_message(house: SmallHouse) -> None:
    first, second = await house.operations.ingest([event(account="acme"), event()], account="acme")
    assert second.duplicate and second.message_id == first.message_id


async def test_the_trigger_is_kept_and_the_worker_is_woken(house: SmallHouse) -> None:
    await house.operations.ingest([event()], account="acme", trigger=Trigger.WEBHOOK)
    assert await house.bell.listen(5)
    ((trigger,),) = await house.execute(select(messages.c.trigger))
    assert trigger == "webhook"


async def test_what_came_in_is_counted_by_its_result(house: SmallHouse) -> None:
    await house.operations.ingest([event(), event(), b"broken"], account="acme")
    found = {
        result: house.meters.registry.get_sample_value("towpath_events_in_total", {"result": result})
        for result in ("accepted", "duplicate", "refused")
    }
    assert found == {"accepted": 1, "duplicate": 1, "refused": 1}
