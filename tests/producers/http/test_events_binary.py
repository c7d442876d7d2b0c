from __future__ import annotations

import json

import httpx

from broker.operations import MessageFilter
from tests.producers.http.support import Site, stock

ATTRIBUTES = {
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "oms",
    "ce-type": "stock.changed",
    "ce-channel": "main",
}
DATA = json.dumps(stock(1)["data"]).encode()


async def send(site: Site, headers: dict[str, str] | None = None, data: bytes = DATA) -> httpx.Response:
    return await site.send_raw(data, "application/json", **{**ATTRIBUTES, **(headers or {})})


async def test_attributes_may_stand_in_headers(site: Site) -> None:
    answer = await send(site, {"ce-correlationid": "order%20%E2%82%AC 7", "ce-subject": '"a \\"b\\""'})
    assert answer.status_code == 202
    (message,) = await site.operations.desk.messages(MessageFilter())
    assert (message.event_id, message.correlation_id, message.channel) == ("e-1", "order € 7", "main")


async def test_both_modes_tell_the_same_event(site: Site) -> None:
    await site.send(stock(1, datacontenttype="application/json"))
    assert (await send(site)).json()["results"][0]["status"] == "duplicate"
