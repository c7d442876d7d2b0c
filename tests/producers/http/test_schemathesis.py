"""Schemathesis finds no failure and no undocumented answer, whoever asks: a key, an owner, nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

if TYPE_CHECKING:
    from tests.producers.http.generated import Prepared

TAGS = ["events", "read", "operate", "mappings", "channels", "settings", "session", "people", "care", "hooks", "health"]
UNTAKEN = {"signIn", "changePassword", "takePost", "takePostOfTopic", "authorizeChannel"}
"""They take what no document tells, and have tests that know it: a password, the document of a shop, a platform whose
tokens are renewed."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    # Schemathesis is large; who runs other tests does not load it.
    from tests.producers.http import generated

    return generated.prepare(tmp_path_factory.mktemp("schemathesis"))


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


def test_no_operation_is_left_out(prepared: Prepared) -> None:
    document = prepared.template.contract.document
    assert set(prepared.operations) == set(TAGS)
    assert sum(map(len, prepared.operations.values())) == sum(map(len, document["paths"].values()))


@pytest.mark.parametrize("tag", TAGS)
def test_every_answer_is_as_documented_and_none_is_a_failure(
    prepared: Prepared, portal: BlockingPortal, tag: str, tmp_path: Path
) -> None:
    from tests.producers.http import generated

    report = generated.try_out(prepared, tag, portal, tmp_path)
    assert not report.faults, "\n\n".join(report.faults)
    assert report.barren <= UNTAKEN, "nothing that fits is taken"
