from __future__ import annotations

import re
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


OF_ACCOUNT = {
    ("post", "events"),
    ("get", "logs"),
    ("get", "messages"),
    ("get", "messages/{message_id}"),
    ("get", "rejected"),
    ("get", "channels"),
    ("get", "announcements"),
    ("post", "messages/{message_id}/replay"),
    ("post", "deliveries/{delivery_id}/discard"),
    ("get", "tasks"),
    ("post", "tasks/{task_id}/ignore"),
    ("get", "channels/{channel}/mappings/{kind}"),
    ("put", "channels/{channel}/mappings/{kind}"),
    ("delete", "channels/{channel}/mappings/{kind}"),
    ("get", "channels/{channel}/mappings/{kind}/export"),
    ("post", "channels/{channel}/mappings/{kind}/import"),
    ("get", "audit"),
    ("get", "channels/{channel}/budget"),
    ("get", "channels/{channel}/calls"),
    ("get", "manual-logging"),
    ("put", "channels/{channel}/manual-logging/{job}"),
    ("delete", "channels/{channel}/manual-logging/{job}"),
    ("get", "captures"),
    ("get", "channels/{channel}/jobs"),
    ("post", "channels/{channel}/jobs/{job}/run"),
    ("get", "platforms"),
    ("post", "channels"),
    ("post", "channels/test"),
    ("get", "channels/{channel}"),
    ("patch", "channels/{channel}"),
    ("delete", "channels/{channel}"),
    ("post", "channels/{channel}/test"),
    ("get", "channels/{channel}/settings"),
    ("patch", "channels/{channel}/settings"),
    ("get", "channels/{channel}/settings/history"),
    ("get", "account/settings"),
    ("patch", "account/settings"),
    ("get", "account/settings/history"),
    ("get", "retention"),
    ("put", "retention"),
    ("put", "channels/{channel}/retention"),
    ("get", "hooks"),
    ("post", "channels/{channel}/hook"),
    ("delete", "channels/{channel}/hook"),
    ("put", "channels/{channel}/authorization"),
    ("get", "warehouses"),
    ("post", "warehouses/{warehouse}/{switch}"),
}
"""What belongs to an account: for API keys below ``/v1``, for them and people below the account."""
OF_PEOPLE = {
    ("get", "/v1/session"),
    ("delete", "/v1/session"),
    ("put", "/v1/session/password"),
    ("get", "/v1/sessions"),
    ("delete", "/v1/sessions"),
    ("delete", "/v1/sessions/{session}"),
    ("get", "/v1/users/{user_id}/sessions"),
    ("delete", "/v1/users/{user_id}/sessions"),
    ("delete", "/v1/users/{user_id}/sessions/{session_id}"),
    ("get", "/v1/users"),
    ("post", "/v1/users"),
    ("get", "/v1/users/{user_id}"),
    ("patch", "/v1/users/{user_id}"),
    ("put", "/v1/users/{user_id}/password"),
    ("post", "/v1/users/{user_id}/grants"),
    ("delete", "/v1/users/{user_id}/grants/{role}"),
    ("get", "/v1/organizations/{organization}"),
    ("get", "/v1/organizations/{organization}/accounts"),
    ("post", "/v1/organizations/{organization}/accounts"),
    ("get", "/v1/organizations/{organization}/warehouses"),
    ("post", "/v1/organizations/{organization}/warehouses"),
    ("patch", "/v1/organizations/{organization}/warehouses/{warehouse}"),
    ("delete", "/v1/organizations/{organization}/warehouses/{warehouse}"),
    ("get", "/v1/organizations/{organization}/audit"),
    ("get", "/v1/organizations/{organization}/audit/verify"),
}
OF_KEYS = {("get", ""), ("post", ""), ("post", "/{key_id}/rotate"), ("delete", "/{key_id}")}
OPEN = {
    ("post", "/v1/session"),
    ("post", "/hooks/{channel}/{secret}"),
    ("post", "/hooks/{channel}/{secret}/{topic}"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


async def test_every_address_is_documented_with_who_may_use_it(shared_site: Site) -> None:
    found = await document(shared_site)
    schemes = found["components"]["securitySchemes"]
    assert (schemes["apiKey"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")
    for_keys = {(method, f"/v1/{path}") for method, path in OF_ACCOUNT}
    for_both = {(method, f"/v1/accounts/{{account}}/{path}") for method, path in OF_ACCOUNT}
    for_both |= {(method, f"/v1/accounts/{{account}}/keys{path}") for method, path in OF_KEYS}
    for_both |= {("put", "/v1/accounts/{account}/state")}
    expected: dict[tuple[str, str], Any] = {each: [{"apiKey": []}] for each in for_keys}
    expected |= {each: [{"apiKey": []}, {"session": []}] for each in for_both}
    expected |= {each: [{"session": []}] for each in OF_PEOPLE} | dict.fromkeys(OPEN)
    assert expected == {
        (method, path): operation.get("security")
        for path, operations in found["paths"].items()
        for method, operation in operations.items()
    }
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            names = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert names == set(re.findall(r"{(\w+)}", path))
            secured = (method, path) not in OPEN
            assert ("401" in operation["responses"]) is secured or path == "/v1/session"
    identifiers = [each["operationId"] for operations in found["paths"].values() for each in operations.values()]
    assert len(set(identifiers)) == len(identifiers)


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
