from __future__ import annotations

from typing import Any

import httpx

from broker.operations import AuditFilter
from domain.access import Actor
from domain.states import DeliveryState
from tests.producers.http.support import Site, stock


async def prepared(site: Site, state: DeliveryState | None) -> tuple[str, str]:
    """A message in a state: its id and its delivery's."""
    message = (await site.send(stock(1))).json()["results"][0]["message"]
    if state is not None:
        await site.run(state)
    life = await site.operations.desk.message(message)
    assert life is not None
    return message, life.message.deliveries[0].id


async def act(site: Site, path: str, body: Any = None) -> httpx.Response:
    return await site.client.post(path, json=body, headers=site.key("operate"))


async def test_a_dead_message_is_replayed(site: Site) -> None:
    message, _ = await prepared(site, DeliveryState.DEAD)
    answer = await act(site, f"/v1/messages/{message}/replay")
    assert (answer.status_code, answer.json()) == (202, {"message": message, "deliveries": 1})
    assert await site.run() == 1


async def test_what_a_key_does_stands_in_the_audit_under_its_id(site: Site) -> None:
    message, delivery = await prepared(site, DeliveryState.DEAD)
    await act(site, f"/v1/messages/{message}/replay")
    await act(site, f"/v1/deliveries/{delivery}/discard", {"reason": "Sold out."})
    rows = await site.operations.people.audit(Actor.installation(), AuditFilter(limit=20))
    made = {row.object: row for row in rows if row.action == "key.created"}
    assert [row.action for row in rows[:2]] == ["deliveries.discarded", "deliveries.replayed"]
    for row in rows[:2]:
        assert made[row.actor].detail == {"scopes": ["read", "operate"]}


async def test_a_message_that_is_done_is_not_replayed(site: Site) -> None:
    message, _ = await prepared(site, DeliveryState.DONE)
    answer = await act(site, f"/v1/messages/{message}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_replay")
    assert await site.run() == 0


async def test_a_delivery_is_discarded_with_its_reason(site: Site) -> None:
    message, delivery = await prepared(site, DeliveryState.DEAD)
    answer = await act(site, f"/v1/deliveries/{delivery}/discard", {"reason": "  Sold out.  "})
    assert (answer.status_code, answer.json()) == (200, {"delivery": delivery, "state": "discarded"})
    (shown,) = (await site.get(f"/v1/messages/{message}")).json()["message"]["deliveries"]
    assert (shown["state"], shown["sentence"]) == ("discarded", "Sold out.")


async def test_what_is_done_is_not_discarded(site: Site) -> None:
    _, delivery = await prepared(site, DeliveryState.DONE)
    answer = await act(site, f"/v1/deliveries/{delivery}/discard", {"reason": "Why not."})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_discardable")


async def test_a_message_is_no_delivery(site: Site) -> None:
    message, _ = await prepared(site, DeliveryState.DEAD)
    answer = await act(site, f"/v1/messages/{message}/discard", {"reason": "Why not."})
    assert answer.status_code == 404
    answer = await act(site, f"/v1/deliveries/{message}/discard", {"reason": "Why not."})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_delivery")


async def test_a_delivery_is_not_discarded_without_a_fitting_reason(site: Site) -> None:
    message, delivery = await prepared(site, DeliveryState.DEAD)
    wrong: list[Any] = [{}, [], {"reason": ""}, {"reason": " "}, {"reason": "x" * 501}, {"reason": "a", "by": "b"}]
    for body in wrong:
        assert (await act(site, f"/v1/deliveries/{delivery}/discard", body)).status_code == 422
    assert (await act(site, f"/v1/deliveries/{delivery}/discard")).status_code == 400
    (shown,) = (await site.get(f"/v1/messages/{message}")).json()["message"]["deliveries"]
    assert shown["state"] == "dead"


async def test_a_reason_is_not_a_novel(site: Site) -> None:
    _, delivery = await prepared(site, DeliveryState.DEAD)
    for length, status in ((501, 422), (20_000, 413)):
        answer = await act(site, f"/v1/deliveries/{delivery}/discard", {"reason": "x" * length})
        assert answer.status_code == status


async def test_unknown_ids_are_not_found(site: Site) -> None:
    assert (await act(site, "/v1/messages/nothing/replay")).status_code == 404
    assert (await act(site, "/v1/deliveries/nothing/discard", {"reason": "a"})).status_code == 404
