"""Requests that schemathesis makes of the OpenAPI document, sent to a real server, and its judgement of the answers.

Its coverage phase walks along the edges of each schema (shortest, longest, missing, of another type, one too many) and
draws nothing at random, so the same document makes the same requests; a spread of them is sent per operation.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeAlias

import requests
import schemathesis
from anyio.from_thread import BlockingPortal
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from domain.access import Actor, KeyScope, Role
from producers.http import HttpLimits
from producers.http.documented import OF_ACCOUNT
from storage.people.sql_people import SqlPeople
from tests.producers.http.support import Template, make_template, open_site
from tests.producers.http.test_tenancy import furnished

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.negative_data_rejection,
]
"""Not ``positive_data_acceptance``: that a code is free or a setting exists is told by no schema. Not ``ignored_auth``:
each operation is asked without credentials anyhow."""
EXCUSED: dict[str, CheckFunction] = {
    # What is wrong with a sheet is told line by line, in an answer of 200.
    "importMappings": checks.negative_data_rejection,
    # The address is that of a channel with the code "test" too, so more methods are allowed there.
    "testConnection": checks.allow_header_conformance,
}
_FITTING, _WRONG, _PROBES = 4, 4, 1
"""How many requests are sent per operation: as the schema says, against it, and by another method or content type."""
_READING = 3
"""So many times more of what only looks: it takes no server of its own, and has the most parameters."""


@dataclass
class Prepared:
    """A database with everything there is, who asks, and the identifiers that lead somewhere."""

    template: Template
    operations: dict[str, list[Operation]]
    callers: dict[str, dict[str, str]]
    ids: dict[str, str]


@dataclass
class Report:
    """What was found, and which operations were never answered with success."""

    faults: list[str]
    barren: set[str]


def prepare(folder: Path) -> Prepared:
    """Make the database and read the document."""
    bare = make_template(folder)
    (home := folder / "furnished").mkdir()
    callers, ids = asyncio.run(_furnish(bare, home))
    document = copy.deepcopy(bare.contract.document)
    for operations in document["paths"].values():
        for operation in operations.values():
            # Credentials are ours to send; schemathesis would make up empty ones.
            operation.pop("security", None)
    by_tag: dict[str, list[Operation]] = {}
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        by_tag.setdefault(operation.definition.raw["tags"][0], []).append(operation)
    return Prepared(replace(bare, path=home / "towpath.db"), by_tag, callers, ids)


async def _furnish(bare: Template, home: Path) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    async with open_site(bare, home) as site:
        tenants = await furnished(site)
        desk = site.operations.desk
        await site.operations.warehouses.create(Actor.installation(), tenants.ids["organization"], "w1", "Hall")
        key = await desk.create_key("acme", list(KeyScope))
        owner = await site.enter(Role.ORGANIZATION_OWNER)
        people = site.operations.people
        (own,) = await people.sessions(Actor.installation(), owner.user.id)
        await SqlPeople(site.database).sessions.begin(owner.user, owner.user.email, "192.0.2.1")
        (other,) = [each for each in await people.sessions(Actor.installation(), owner.user.id) if each.id != own.id]
        callers = {"key": {"authorization": f"Bearer {key.secret}"}, "owner": owner.headers, "nobody": {}}
        return callers, {
            **tenants.ids,
            "code": "Raven Express",
            "job": "order_import",
            "warehouse": "w1",
            "switch": "enable",
            "session": other.id,
            "topic": "push_orders",
            "secret": await site.operations.make_hook("acme", "main", actor="tester"),
        }


def try_out(prepared: Prepared, tag: str, portal: BlockingPortal, folder: Path) -> Report:
    """Send requests to every operation of a tag."""
    report = Report([], {_name(each) for each in prepared.operations[tag]})
    # What is changed or deleted by one operation must not be missing for the next.
    groups: dict[str, list[Operation]] = {}
    for operation in prepared.operations[tag]:
        groups.setdefault("reading" if operation.method == "get" else _name(operation), []).append(operation)
    for name, together in groups.items():
        (home := folder / name).mkdir()
        with _served(prepared.template, portal, home) as (url, http):
            for operation in together:
                _try_one(prepared, operation, url, http, report)
    return report


def _name(operation: Operation) -> str:
    """The name that both addresses of what belongs to an account have in common."""
    name: str = operation.definition.raw["operationId"]
    return name.removesuffix("OfAccount")


@contextmanager
def _served(template: Template, portal: BlockingPortal, home: Path) -> Iterator[tuple[str, requests.Session]]:
    """A server over a copy of the database, where nobody waits for announcements; a client that keeps no cookies."""
    opening = open_site(template, home, HttpLimits(long_polls=0))
    with portal.wrap_async_context_manager(opening) as site, requests.Session() as http:
        http.trust_env = False
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield site.url, http


def _try_one(
    prepared: Prepared,
    operation: Operation,
    url: str,
    http: requests.Session,
    report: Report,
) -> None:
    secured = "401" in operation.definition.raw["responses"]
    judges = [each for each in CHECKS if each is not EXCUSED.get(_name(operation))]
    for case, who in _turns(operation):
        _lead_somewhere(case, prepared.ids)
        answer = case.call(base_url=url, session=http, headers=prepared.callers[who], allow_redirects=False)
        if answer.status_code < 300:
            report.barren.discard(_name(operation))
        try:
            case.validate_response(answer, checks=judges)
        except FailureGroup as found:
            report.faults += [f"{operation.label} ({who}): {each}" for each in found.exceptions]
        if who == "nobody" and secured and answer.status_code != 401:
            report.faults.append(f"{operation.label}: answers {answer.status_code} to nobody")


def _turns(operation: Operation) -> Iterator[tuple[Case[Any], str]]:
    """Requests and who makes them: mostly one who may, now and then the other one, at last nobody."""
    fitting, wrong, probes = _cases(operation)
    for_key = operation.path.startswith("/v1/") and not operation.path.startswith(_FOR_PEOPLE)
    able, other = ("key", "owner") if for_key else ("owner", "key")
    # The second address of an operation leads to the same code.
    again = operation.path.startswith(OF_ACCOUNT) and operation.definition.raw["operationId"] != _name(operation)
    times = _READING if operation.method == "get" else 1
    most = [number * times // (2 if again else 1) for number in (_FITTING, _WRONG)]
    turns = [*_spread(fitting, most[0]), *_spread(wrong, most[1]), *_spread(probes, _PROBES)]
    yield from ((case, other if number % 4 == 3 else able) for number, case in enumerate(turns))
    yield from ((case, "nobody") for case in fitting[-1:])


_FOR_PEOPLE = ("/v1/accounts/", "/v1/session", "/v1/users", "/v1/organizations/")


def _cases(operation: Operation) -> tuple[list[Case[Any]], list[Case[Any]], list[Case[Any]]]:
    fitting: list[Case[Any]] = []
    wrong: list[Case[Any]] = []
    probes: list[Case[Any]] = []
    made = operation.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=GenerationConfig()
    )
    for case in made:
        if checks.is_unexpected_http_status_case(case):
            probes.append(case)
        else:
            (wrong if case.meta is not None and case.meta.generation.mode.is_negative else fitting).append(case)
    return fitting, wrong, probes


def _spread(cases: list[Case[Any]], most: int) -> list[Case[Any]]:
    return [cases[number * len(cases) // most] for number in range(most)] if len(cases) > most else cases


def _lead_somewhere(case: Case[Any], ids: Mapping[str, str]) -> None:
    """Name what is there, except where the request is wrong on purpose; a search may look for anything."""
    meta = case.meta
    assert meta is not None
    wrong = getattr(meta.phase.data, "parameter", None) if meta.generation.mode.is_negative else None
    case.path_parameters.update({name: ids[name] for name in case.path_parameters if name != wrong})
    if case.method != "GET" and not meta.is_negative_at(ParameterLocation.QUERY):
        case.query.update({name: ids[name] for name in case.query.keys() & ids.keys()})
    if isinstance(case.body, dict) and "channel" in case.body and not meta.is_negative_at(ParameterLocation.BODY):
        case.body["channel"] = ids["channel"]
