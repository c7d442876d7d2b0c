"""``towpath hooks``, ``towpath privacy`` and ``towpath channels authorize``."""

from __future__ import annotations

import pytest

from tests.console.cli.support import Place


def test_a_hook_is_made_shown_once_listed_and_removed(place: Place) -> None:
    made = place.run("hooks", "create", "acme/bright-main")
    assert made.exit_code == 0 and made.stdout.startswith("/hooks/bright-main/th_")
    secret = made.stdout.splitlines()[0].rsplit("/", 1)[1]
    assert place.json("hooks", "list")[0]["received"] == 0
    assert secret not in place.run("hooks", "list").stdout
    assert secret not in place.run("audit", "list", "--json").stdout
    assert place.run("hooks", "remove", "acme/bright-main").exit_code == 0
    assert place.json("hooks", "list") == []
    assert place.run("hooks", "remove", "acme/bright-main").exit_code == 3


def test_the_mode_the_last_post_and_the_polling_beside_posts_are_shown(place: Place) -> None:
    place.run("jobs", "period", "acme/bright-main", "order_import", "5m")
    assert place.run("channels", "settings", "acme/bright-main", "automation=webhook").exit_code == 0
    assert "has no hook" in place.run("doctor").stdout.replace("\n", " ")
    assert place.json("jobs", "list")[0]["safety_net"] is False
    place.run("hooks", "create", "acme/bright-main")
    (hook,) = place.json("hooks", "list")
    assert (hook["automation"], hook["received_at"]) == ("webhook", None)
    assert "webhook" in place.run("hooks", "list").stdout
    (row,) = place.json("jobs", "list")
    assert (row["safety_net"], row["pushed"], row["stretch"]) == (True, True, 12)
    assert "safety net" in place.run("jobs", "list", COLUMNS="200").stdout


def test_the_threshold_of_an_account_and_of_a_channel_is_set_and_shown(place: Place) -> None:
    assert place.run("privacy", "retention", "acme", "90").exit_code == 0
    assert place.run("privacy", "retention", "acme/bright-main", "30").exit_code == 0
    found = place.json("privacy", "show", "acme")
    assert (found["days"], found["channels"][0]["days"]) == (90, 30)
    assert "erased after 30 days" in place.run("privacy", "show", "acme", COLUMNS="200").stdout
    assert place.run("privacy", "retention", "acme/bright-main", "none").exit_code == 0
    assert place.json("privacy", "show", "acme")["channels"][0]["days"] == 90


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["privacy", "retention", "acme", "soon"], 2),
        (["privacy", "retention", "acme", "40000"], 3),
        (["privacy", "retention", "nobody", "30"], 3),
        (["privacy", "retention", "acme/nobody", "30"], 3),
        (["hooks", "create", "acme/nobody"], 3),
        (["channels", "authorize", "acme/bright-main"], 2),
    ],
)
def test_what_cannot_be_is_refused(place: Place, words: list[str], code: int) -> None:
    assert place.run(*words).exit_code == code
