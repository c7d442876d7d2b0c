from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from producers.http.event_docs import EVENT_EXAMPLE
from tests.producers.http.contract import Contract
from tests.producers.http.support import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def document(site: Site) -> dict[str, Any]:
    answer = await site.client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_every_address_is_documented(shared_site: Site) -> None:
    paths = (await document(shared_site))["paths"]
    assert {(method, path) for path, operations in paths.items() for method in operations} == {
        ("post", "/v1/events"),
        ("get", "/v1/logs"),
        ("get", "/v1/messages"),
        ("get", "/v1/messages/{message_id}"),
        ("get", "/v1/rejected"),
        ("get", "/v1/channels"),
        ("get", "/v1/announcements"),
        ("post", "/v1/messages/{message_id}/replay"),
        ("post", "/v1/deliveries/{delivery_id}/discard"),
        ("get", "/v1/tasks"),
        ("post", "/v1/tasks/{task_id}/ignore"),
        ("get", "/v1/channels/{channel}/mappings/{kind}"),
        ("put", "/v1/channels/{channel}/mappings/{kind}"),
        ("delete", "/v1/channels/{channel}/mappings/{kind}"),
        ("get", "/v1/channels/{channel}/mappings/{kind}/export"),
        ("post", "/v1/channels/{channel}/mappings/{kind}/import"),
        ("post", "/hooks/{channel}/{secret}"),
        ("get", "/v1/retention"),
        ("put", "/v1/retention"),
        ("put", "/v1/channels/{channel}/retention"),
        ("get", "/v1/hooks"),
        ("post", "/v1/channels/{channel}/hook"),
        ("delete", "/v1/channels/{channel}/hook"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    }


async def test_every_address_under_v1_asks_for_a_key(shared_site: Site) -> None:
    found = await document(shared_site)
    assert found["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    for path, operations in found["paths"].items():
        for operation in operations.values():
            keyed = path.startswith("/v1/")
            assert (operation.get("security") == [{"apiKey": []}]) is keyed
            assert ("401" in operation["responses"]) is keyed
            assert ("403" in operation["responses"]) is keyed


async def test_every_answer_has_a_schema_that_is_one(shared_site: Site) -> None:
    found = await document(shared_site)
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for operations in found["paths"].values():
        for operation in operations.values():
            assert operation["summary"] and operation["operationId"]
            for answer in operation["responses"].values():
                assert answer["description"]
                assert all(content["schema"] for content in answer["content"].values())


async def test_every_reference_leads_somewhere(shared_site: Site) -> None:
    found = await document(shared_site)

    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    known = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert references(found) <= known


async def test_every_example_fits_its_schema(shared_site: Site) -> None:
    found = await document(shared_site)
    contract = Contract(found)
    checked = 0
    for operations in found["paths"].values():
        for operation in operations.values():
            contents = [answer["content"] for answer in operation["responses"].values()]
            contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
            for content in (kind for kinds in contents for kind in kinds.values()):
                examples = [example["value"] for example in content.get("examples", {}).values()]
                for example in [*examples, *([content["example"]] if "example" in content else [])]:
                    contract.validate(content["schema"], example)
                    checked += 1
    assert checked > 50


async def test_the_documented_event_is_taken(shared_site: Site) -> None:
    answer = await shared_site.send({**EVENT_EXAMPLE, "channel": "main"})
    assert answer.status_code == 202
