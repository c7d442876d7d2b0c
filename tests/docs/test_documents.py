"""The documents say what is true: links lead somewhere, commands and settings exist, tables equal the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings
from broker.retry import LADDER_SECONDS
from domain.states import MOVES, DeliveryState
from tests.docs.fences import ROOT, documents, fences


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_exists(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


@cache
def _help(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app", *command, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "TERM": "dumb"},
    )
    return done.stdout if done.returncode == 0 else ""


def _commands() -> list[str]:
    found = set()
    for document in documents():
        for fence in fences(document):
            for line in fence.body.splitlines():
                match = re.search(r"(?:^|\| |bin/)(towpath [a-z][^|#]*)", line)
                if match and fence.language in ("", "sh"):
                    found.add(match.group(1).strip())
    return sorted(found)


@pytest.mark.parametrize("command", _commands())
def test_every_command_in_the_documents_exists_with_its_options(command: str) -> None:
    words = shlex.split(command.replace("…", ""))[1:]
    path = [words[0]]
    text = _help(*path)
    assert text, f"there is no command {path}"
    for word in words[1:]:
        if word.isalpha() and word.islower() and _help(*path, word):
            path.append(word)
            text = _help(*path)
    if words[0] == "sandbox":
        return
    for option in (word for word in words if word.startswith("--")):
        assert option in text, f"{' '.join(path)} has no option {option}"


def test_the_deployment_page_lists_every_setting() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    for name in Settings.model_fields:
        assert f"{PREFIX}{name.upper()}" in page


def test_the_states_page_has_the_moves_of_the_domain() -> None:
    page = (ROOT / "docs" / "states.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) \| ([\w, ]*)\|$", page, re.MULTILINE))
    told = {
        state: {word.strip() for word in rows[state].split(",") if word.strip()} for state in map(str, DeliveryState)
    }
    assert told == {str(state): {str(target) for target in targets} for state, targets in MOVES.items()}


def test_the_states_page_has_the_retry_ladder() -> None:
    page = (ROOT / "docs" / "states.md").read_text()
    units = {"s": 1, "min": 60, "h": 3600}
    line = next(line for line in page.splitlines() if line.startswith("| `retry`"))
    steps = [float(number) * units[unit] for number, unit in re.findall(r"(\d+) (min|s|h)\b", line)]
    assert tuple(steps) == LADDER_SECONDS
