"""The page on access has the roles, limits and times of the code."""

from __future__ import annotations

import re
from datetime import timedelta

from domain.access import KEY_MAY, MAY, Action
from domain.sign_in import FORGOTTEN, IDLE, LONGEST, PER_ADDRESS, PER_NAME
from producers.http.cookies import CSRF_HEADER
from tests.docs.fences import ROOT

PAGE = (ROOT / "docs" / "access.md").read_text()


def test_the_table_has_every_action_with_who_may() -> None:
    told = {
        name: [cell.strip() == "yes" for cell in cells.split("|")]
        for name, cells in re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE)
    }
    columns = [*MAY.values(), *KEY_MAY.values()]
    assert told == {str(action): [action in may for may in columns] for action in Action}


def test_the_times_and_limits_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    for sentence in (
        f"after {IDLE // hour} hour without use, after {LONGEST // hour} hours in any case",
        f"After {PER_NAME.free} failures of an e-mail address, or {PER_ADDRESS.free} from a network address",
        f"up to {PER_NAME.longest // minute} minutes for the e-mail address and {PER_ADDRESS.longest // minute} for",
        f"`{CSRF_HEADER}`",
    ):
        assert sentence in text
    assert timedelta(days=1) == FORGOTTEN
