"""What is wrong, and how the message broker should look."""

from __future__ import annotations

import json

import pytest

from broker.transports.memory import InMemoryTransport
from console.cli import Opening
from domain.errors import ConfigurationError, StorageUnavailable, TransportUnavailable
from tests.console.cli.support import Place


class Broken(InMemoryTransport):
    """A transport that answers its check with what it was given."""

    def __init__(self, answer: list[str] | Exception) -> None:
        super().__init__()
        self._answer = answer

    async def check(self) -> list[str]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_all_is_well_and_no_password_is_shown(place: Place) -> None:
    result = place.run("doctor")
    assert result.exit_code == 0, result.output
    assert "All is well." in result.stdout
    assert "channel acme/bright-main" in result.stdout
    assert "postgresql://towpath:***@db/towpath" in result.stdout
    assert "hush" not in result.output
    assert place.openings == [Opening.EXAMINE]


def test_what_is_wrong_ends_with_1(place: Place) -> None:
    place.transport = Broken(TransportUnavailable("amqp://towpath:hush@rabbit does not answer. Start RabbitMQ."))
    result = place.run("doctor")
    assert result.exit_code == 1
    assert "WRONG" in result.stdout
    assert "Start RabbitMQ." in result.stdout
    assert "1 of 4 need attention." in result.stdout
    assert "hush" not in result.output


def test_a_database_that_is_away_is_a_finding(place: Place) -> None:
    place.refusal = StorageUnavailable("The database does not answer.")
    result = place.run("doctor", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert found["findings"] == [{"subject": "start", "ok": False, "sentence": "The database does not answer."}]


def test_as_json_it_has_findings_and_settings(place: Place) -> None:
    found = place.json("doctor")
    assert found["ok"] is True
    assert [finding["subject"] for finding in found["findings"]][:2] == ["database", "transport"]
    assert found["settings"] == {"TOWPATH_DATABASE_URL": "postgresql://towpath:***@db/towpath"}


def test_settings_that_cannot_work_are_a_finding(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from typer.testing import CliRunner

    from console.cli import build

    def refuse() -> dict[str, str]:
        raise ConfigurationError("TOWPATH_HTTP_PORT is no port.")

    result = CliRunner().invoke(build(replace(place.doors, settings_summary=refuse)), ["doctor"])
    assert result.exit_code == 1
    assert "TOWPATH_HTTP_PORT is no port." in result.stdout
    assert place.openings == []


def test_the_topology_is_shown_without_a_broker(empty_place: Place) -> None:
    shown = empty_place.run("topology", "show").stdout
    for text in ("towpath.events", "towpath.job.order_import", "order.created.#", "single active consumer"):
        assert text in shown
    found = empty_place.json("topology", "show")
    assert "towpath.inbox" in [queue["name"] for queue in found["queues"]]
    assert empty_place.openings == []


def test_the_contracts_are_printed_as_json(empty_place: Place) -> None:
    assert json.loads(empty_place.run("topology", "show", "--asyncapi").stdout) == {"asyncapi": "3.0.0"}
    assert "order.created" in json.loads(empty_place.run("topology", "show", "--schemas").stdout)
    assert empty_place.run("topology", "show", "--asyncapi", "--schemas").exit_code == 2


def test_the_topology_is_declared_and_checked(empty_place: Place) -> None:
    assert empty_place.run("topology", "declare").exit_code == 0
    assert empty_place.run("topology", "check").stdout == "The topology is complete.\n"
    assert empty_place.json("topology", "check") == {"ok": True, "problems": []}


def test_a_topology_that_differs_ends_with_1(empty_place: Place) -> None:
    empty_place.transport = Broken(["Queue towpath.inbox is missing."])
    result = empty_place.run("topology", "check")
    assert result.exit_code == 1
    assert "Queue towpath.inbox is missing." in result.stdout
    assert "towpath topology declare" in result.stdout
    assert empty_place.run("topology", "check", "--json").exit_code == 1


def test_a_broker_that_is_away_is_one_sentence(empty_place: Place) -> None:
    empty_place.transport = Broken(TransportUnavailable("RabbitMQ does not answer."))
    result = empty_place.run("topology", "check")
    assert result.exit_code == 1
    assert result.stderr == "RabbitMQ does not answer.\n"
