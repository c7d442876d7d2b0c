"""The program as a whole: help, exit codes, failures in one sentence, nothing heavy loaded in vain."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from domain.errors import StorageUnavailable
from tests.console.cli.support import Place

COMMANDS = (
    "demo", "up", "serve", "consume", "timer", "relay", "sandbox", "publish", "replay", "discard", "messages",
    "logs", "tasks", "audit", "doctor", "accounts", "users", "channels", "jobs", "keys", "topology", "db", "version",
)  # fmt: skip


def test_help_names_every_command_and_opens_nothing(empty_place: Place) -> None:
    result = empty_place.run("--help")
    assert result.exit_code == 0
    assert [name for name in COMMANDS if f" {name} " not in result.stdout] == []
    assert empty_place.openings == []


def test_no_arguments_show_the_help(empty_place: Place) -> None:
    assert empty_place.run().stdout == empty_place.run("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(empty_place: Place, command: str) -> None:
    result = empty_place.run(command, "--help")
    if command == "sandbox":
        assert empty_place.played == [["--help"]]
    else:
        assert result.exit_code == 0
        assert f"towpath {command}" in result.stdout


def test_version_is_that_of_the_installed_package(empty_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", {"towpath": "1.2.3"}.__getitem__)
    assert empty_place.run("version").stdout == "1.2.3\n"


def test_without_an_installed_package_there_is_no_version(empty_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    result = empty_place.run("version")
    assert result.exit_code == 1
    assert "pip install" in result.stderr


def test_an_unknown_command_is_a_usage_error_in_one_sentence(empty_place: Place) -> None:
    result = empty_place.run("mesages")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "messages" in result.stderr
    assert "--help" in result.stderr


@pytest.mark.parametrize(
    "words", [["--bogus"], ["logs", "--bogus"], ["channels"], ["logs", "--limit", "0"], ["replay"]]
)
def test_wrong_usage_ends_with_2_and_says_where_to_read(empty_place: Place, words: list[str]) -> None:
    result = empty_place.run(*words)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "--help" in result.stderr


def test_an_error_on_purpose_is_its_sentence_and_exit_code_1(empty_place: Place) -> None:
    empty_place.refusal = StorageUnavailable("postgresql://towpath:hush@db/x does not answer. Start it.")
    result = empty_place.run("logs")
    assert result.exit_code == 1
    assert result.stderr == "postgresql://towpath:***@db/x does not answer. Start it.\n"


def test_an_unexpected_error_shows_no_traceback_and_how_to_see_it(empty_place: Place) -> None:
    empty_place.refusal = ZeroDivisionError("division of hush by zero")
    result = empty_place.run("logs")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError" in result.stderr
    assert "TOWPATH_LOG=debug" in result.stderr
    assert "Traceback" not in result.output
    assert "hush" not in result.output


def test_debug_shows_the_traceback(empty_place: Place) -> None:
    empty_place.refusal, empty_place.debug = ZeroDivisionError("nought"), True
    result = empty_place.run("logs")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_importing_the_program_loads_neither_tables_nor_models() -> None:
    watched = ["rich.table", "pydantic", "sqlalchemy", "structlog", "prometheus_client", "broker.operations"]
    code = f"import sys, console.cli; print([name for name in {watched} if name in sys.modules])"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
