"""The commands that start something hand on what they were asked for."""

from __future__ import annotations

import pytest

from console.cli import Roles
from domain.jobs import JOB_TYPES
from tests.console.cli.support import Place

ALL = tuple(JOB_TYPES)


@pytest.mark.parametrize(
    ("words", "roles"),
    [
        (["up"], Roles(True, ALL, True, True)),
        (["up", "--port", "0"], Roles(True, ALL, True, True, None, 0)),
        (["serve", "--host", "127.0.0.2", "--port", "9000"], Roles(serve=True, host="127.0.0.2", port=9000)),
        (["consume"], Roles(jobs=ALL)),
        (
            ["consume", "order_import", "order_update", "order_import"],
            Roles(jobs=("order_import", "order_update")),
        ),
        (["timer"], Roles(timer=True)),
        (["relay"], Roles(relay=True)),
    ],
)
def test_each_command_plays_its_roles(empty_place: Place, words: list[str], roles: Roles) -> None:
    result = empty_place.run(*words)
    assert result.exit_code == 0, result.output
    assert empty_place.played == [roles]


@pytest.mark.parametrize("words", [["consume", "tea_break"], ["serve", "--port", "70000"], ["up", "--port", "x"]])
def test_roles_that_cannot_be_are_usage_errors(empty_place: Place, words: list[str]) -> None:
    result = empty_place.run(*words)
    assert result.exit_code == 2
    assert empty_place.played == []


def test_the_sandbox_gets_its_arguments_and_gives_its_exit_code(empty_place: Place) -> None:
    result = empty_place.run("sandbox", "bright-sites", "--port", "0", "--help")
    assert result.exit_code == 7
    assert empty_place.played == [["bright-sites", "--port", "0", "--help"]]


def test_the_database_is_upgraded_with_a_sentence(empty_place: Place) -> None:
    result = empty_place.run("db", "upgrade")
    assert result.exit_code == 0
    assert result.stdout == "The tables were made (0001).\n"
