from __future__ import annotations

import asyncio

from broker.ledger import Rejection
from domain.access import Role
from domain.errors import MalformedEvent
from domain.masking import MASK
from domain.states import DeliveryState
from tests.producers.http.support import Site, stock


async def test_the_log_answers_what_happened_to_a_key(site: Site) -> None:
    await site.send_batch([stock(1), stock(2)])
    await site.run()
    answer = await site.get("/v1/logs?sku=SKU-1&job=inventory_export&outcome=Done&level=Info&channel=main")
    (row,) = answer.json()["logs"]
    assert (row["business_key"], row["sentence"], row["outcome"]) == ("SKU-1", "Stock set.", "Done")
    assert row["started_at"].endswith("Z")
    for query in ("order=SKU-3", "outcome=Dead", "channel=other", "until=2001-01-01T00:00:00Z"):
        assert (await site.get(f"/v1/logs?{query}")).json()["logs"] == []


async def test_order_sku_and_key_are_one_filter(site: Site) -> None:
    await site.send_batch([stock(1), stock(2)])
    await site.run()
    for name in ("order", "sku", "key"):
        rows = (await site.get(f"/v1/logs?{name}=SKU-2")).json()["logs"]
        assert [row["business_key"] for row in rows] == ["SKU-2"]


async def test_the_log_can_be_followed_from_a_row_on(site: Site) -> None:
    for number in (1, 2, 3):
        await site.send(stock(number))
        await site.run()
    oldest = (await site.get("/v1/logs")).json()["logs"][-1]
    rows = (await site.get(f"/v1/logs?after_id={oldest['id']}&limit=5")).json()["logs"]
    assert [row["business_key"] for row in rows] == ["SKU-2", "SKU-3"]


async def test_messages_are_listed_with_their_deliveries(site: Site) -> None:
    await site.send(stock(1))
    await site.run(DeliveryState.DEAD, "The shop refused it.")
    await site.send(stock(2))
    (dead,) = (await site.get("/v1/messages?state=dead")).json()["messages"]
    assert dead["business_key"] == "SKU-1"
    assert dead["deliveries"][0]["sentence"] == "The shop refused it."
    (ready,) = (await site.get("/v1/messages?state=ready&type=stock.changed&channel=main")).json()["messages"]
    assert ready["business_key"] == "SKU-2"


async def test_the_life_of_a_message_is_found_by_message_and_by_delivery(site: Site) -> None:
    message = (await site.send(stock(1))).json()["results"][0]["message"]
    await site.run()
    life = (await site.get(f"/v1/messages/{message}")).json()
    assert life["message"]["id"] == message
    assert [attempt["outcome"] for attempt in life["attempts"]] == ["Done"]
    delivery = life["message"]["deliveries"][0]["id"]
    assert (await site.get(f"/v1/messages/{delivery}")).json() == life


async def test_part_of_an_id_is_no_id(site: Site) -> None:
    message = (await site.send(stock(1))).json()["results"][0]["message"]
    for part in (message[:20], message[-12:], message + "0", "%25"):
        assert (await site.get(f"/v1/messages/{part}")).status_code == 404


async def test_another_accounts_things_do_not_exist(site: Site) -> None:
    answer = await site.send(stock(1, channel="shop"), key="foreign")
    message = answer.json()["results"][0]["message"]
    await site.run()
    delivery = (await site.get(f"/v1/messages/{message}", key="foreign")).json()["message"]["deliveries"][0]["id"]
    for found in (message, delivery):
        assert (await site.get(f"/v1/messages/{found}")).status_code == 404
        for path in (f"/v1/messages/{found}/replay", f"/v1/deliveries/{found}/discard"):
            headers = site.key("operate")
            answer = await site.client.post(path, json={"reason": "not mine"}, headers=headers)
            assert answer.status_code == 404
    assert (await site.get("/v1/messages")).json()["messages"] == []
    assert (await site.get("/v1/logs")).json()["logs"] == []
    assert (await site.get(f"/v1/logs?message={message}")).json()["logs"] == []
    assert (await site.get("/v1/announcements")).json() == {"events": [], "after": 0}
    channels = (await site.get("/v1/channels")).json()["channels"]
    assert [channel["account"] for channel in channels] == ["acme"]


async def test_channels_show_the_end_of_the_token_only(site: Site) -> None:
    answer = await site.get("/v1/channels")
    (channel,) = answer.json()["channels"]
    assert (channel["code"], channel["token_ending"]) == ("main", "9876")
    assert "shop-token" not in answer.text


async def test_rejected_input_is_shown_to_the_account_it_was_for(site: Site) -> None:
    rejections = [
        Rejection(b"no json", MalformedEvent("No JSON.", code="not_json"), "inbox", f"order.created.{account}.main")
        for account in ("acme", "globex")
    ]
    rejections[1] = Rejection(b"other", rejections[1].error, "inbox", rejections[1].routing_key)
    rejections.append(Rejection(b"nobody's", rejections[1].error, "inbox", "junk"))
    await site.ledger.admit((), rejections)
    (row,) = (await site.get("/v1/rejected")).json()["rejected"]
    assert (row["code"], row["excerpt"]) == ("not_json", "no json")
    viewer = await site.enter(Role.VIEWER, "acme")
    (seen,) = (await viewer.get("/v1/accounts/acme/rejected")).json()["rejected"]
    assert seen == {**row, "excerpt": MASK}


async def test_many_look_ups_at_once_are_all_answered(site: Site) -> None:
    await site.send(stock(1))
    answers = await asyncio.gather(*(site.get("/v1/messages") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
