"""Roles in plain words are those that the command line would play; all else is left to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.plain import plain_roles
from app.roles import Cast
from console.cli import Roles
from domain.jobs import JOB_TYPES
from tests.app.test_entry import run
from tests.console.cli.support import Place

ODD = ("0", "8000", "65535", "65536", "-1", "+1", " 1", "1_0", "\u0661", "x", "", "--", "-h", "--help", "--port=1")
WORDS = st.sampled_from([*JOB_TYPES, "up", "timer", "tea_break", "--host", "--port", "127.0.0.1", *ODD])
LINES = st.builds(
    lambda command, words: [command, *words],
    st.sampled_from(["up", "serve", "consume", "timer", "relay", "logs"]),
    st.one_of(
        st.lists(WORDS, max_size=3),
        st.lists(st.sampled_from(sorted(JOB_TYPES)), max_size=3),
        st.builds(lambda *pairs: [word for pair in pairs for word in pair], st.tuples(st.just("--port"), WORDS)),
        st.builds(
            lambda *pairs: [word for pair in pairs for word in pair],
            st.tuples(st.just("--host"), WORDS),
            st.tuples(st.just("--port"), WORDS),
        ),
    ),
)


def plainly(words: list[str]) -> dict[str, Any]:
    found = plain_roles(words)
    assert found is not None
    return {name: value for name, value in asdict(Cast(**found)).items() if name != "ready"}


def played(words: list[str]) -> dict[str, Any]:
    """What the command line plays, in a folder that it does not look at."""
    place = Place(Path("/nowhere"))
    result = place.run(*words)
    assert result.exit_code == 0, result.output
    (roles,) = place.played
    assert isinstance(roles, Roles)
    given = asdict(roles) | {"consume": bool(roles.jobs)}
    return {name: value for name, value in asdict(Cast(**given)).items() if name != "ready"}


SERVICES = ("up", "up --port 0", "serve --port 80 --host ::1", "consume order_import", "consume", "timer", "relay")


@pytest.mark.parametrize("line", SERVICES)
def test_what_services_are_started_with_is_plain(line: str) -> None:
    assert plainly(line.split()) == played(line.split())


@given(words=LINES)
def test_what_is_plain_is_what_the_command_line_would_play(words: list[str]) -> None:
    if plain_roles(words) is not None:
        assert plainly(words) == played(words)


def test_a_failure_is_one_sentence_as_everywhere(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "app", "consume", TOWPATH_BROKER_ULR="journal:")
    assert done.returncode == 1
    assert done.stderr.strip() == "There is no setting TOWPATH_BROKER_ULR. Did you mean TOWPATH_BROKER_URL?"
