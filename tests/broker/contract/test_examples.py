"""Every example is an event that Towpath takes or sends, by the schemas and by the code."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from broker.contract import event_schemas, examples, schemas
from broker.contract.schemas import payload_name
from domain.envelope import parse
from domain.events import ANNOUNCED_TYPES, payload_of
from domain.jobs import jobs_for

PUBLISHED = Path(__file__).parents[3] / "docs" / "contract" / "examples"


def published() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(PUBLISHED.glob("*.json"))]


def test_every_type_has_a_published_example() -> None:
    assert {path.stem for path in PUBLISHED.glob("*.json")} == set(examples()) == set(event_schemas())


@pytest.mark.parametrize("path", published())
def test_an_example_is_valid_by_the_schemas(path: Path) -> None:
    event = json.loads(path.read_text("utf-8"))
    Draft202012Validator(schemas()["envelope"]).validate(event)
    Draft202012Validator(schemas()[payload_name(path.stem)]).validate(event["data"])
    Draft202012Validator(event_schemas()[path.stem]).validate(event)


@pytest.mark.parametrize("path", published())
def test_an_example_is_read_by_the_code(path: Path) -> None:
    said = parse(path.read_bytes(), lambda: datetime(2026, 3, 3, tzinfo=UTC))
    assert said.type == path.stem
    assert said.account == "acme"
    if path.stem in ANNOUNCED_TYPES:
        ANNOUNCED_TYPES[path.stem].payload.model_validate(said.data)
    else:
        payload_of(said)


def test_examples_of_ticks_are_of_jobs_that_exist() -> None:
    assert all(jobs_for(name) for name in examples() if name.startswith("tick."))


def test_no_two_examples_have_the_same_identity() -> None:
    identities = [(event["source"], event["id"]) for event in examples().values()]
    assert len(set(identities)) == len(identities)
