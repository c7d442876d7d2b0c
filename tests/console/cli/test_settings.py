"""Settings, the life of channels and warehouses at the command line."""

from __future__ import annotations

from typing import Any

import pytest

from domain.ports import ConnectionCheck
from tests.console.cli.support import Place, order_created

WHERE = "acme/bright-main"
FRESH = "fresh-secret-token-99zz"


def named(place: Place, *words: str) -> dict[str, Any]:
    return {each["name"]: each for each in place.json(*words)["settings"]}


def test_platforms_are_listed_with_their_settings(place: Place) -> None:
    shown = place.run("channels", "platforms", COLUMNS="200").stdout
    for text in ("Bright Sites (bright_sites, stable), static token", "PII retention threshold", "Import Products"):
        assert text in shown
    (found,) = place.json("channels", "platforms")
    assert found["jobs"]["order_import"][:2] == ["none", "5m"]


def test_settings_are_shown_with_their_origin_and_cleared(place: Place) -> None:
    assert place.run("accounts", "settings", "acme", "stock_buffer=1", "default_carrier=ups").exit_code == 0
    assert place.run("channels", "settings", WHERE, "stock_buffer=2", "period.order_import=15m").exit_code == 0
    found = named(place, "channels", "settings", WHERE)
    assert (found["stock_buffer"]["value"], found["stock_buffer"]["origin"]) == (2, "channel")
    assert place.run("channels", "settings", WHERE, "--clear", "stock_buffer").exit_code == 0
    assert named(place, "channels", "settings", WHERE)["stock_buffer"]["origin"] == "account"
    shown = place.run("channels", "settings", WHERE).stdout
    assert "the account" in shown and "Privacy" in shown
    assert named(place, "accounts", "settings", "acme")["default_carrier"]["value"] == "ups"
    assert place.json("jobs", "list")[0]["period"] == "15m"


def test_the_history_tells_who_changed_what(place: Place) -> None:
    place.run("channels", "settings", WHERE, "stock_buffer=2")
    (version,) = place.json("channels", "history", WHERE)
    assert version["changes"] == {"stock_buffer": {"before": 0, "after": 2}}
    assert "stock_buffer: 0 → 2" in place.run("channels", "history", WHERE).stdout
    place.run("accounts", "settings", "acme", "name=Acme Gifts")
    assert "name: Acme → Acme Gifts" in place.run("accounts", "history", "acme").stdout


def test_a_version_that_is_over_is_refused(place: Place) -> None:
    assert place.run("channels", "settings", WHERE, "burst=2", "--expect", "0").exit_code == 0
    result = place.run("channels", "settings", WHERE, "burst=3", "--expect", "0")
    assert result.exit_code == 3 and "version 1, not 0" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("jobs", "period", WHERE, "product_import", "1h"), "Master Product Source"),
        (("jobs", "run", WHERE, "product_import"), "Master Product Source"),
        (("channels", "settings", WHERE, "units_weight=kg"), "it offers: lb"),
        (("accounts", "settings", "acme", "master_product_source=nobody"), "cannot be the Master Product Source"),
    ],
)
def test_what_contradicts_is_refused_with_the_reason(place: Place, words: tuple[str, ...], said: str) -> None:
    result = place.run(*words)
    assert result.exit_code == 3 and said in result.stderr


@pytest.mark.parametrize("where", [["acme", "--domain", "two.example.com"], [WHERE]])
def test_a_connection_is_tested_before_it_is_saved(place: Place, where: list[str]) -> None:
    place.connection = ConnectionCheck(True, False, "The token may only read.")
    result = place.run("channels", "test", *where, "--token-stdin", stdin=FRESH)
    assert (result.exit_code, result.stdout) == (1, "The token may only read.\n")
    assert place.json("channels", "list")[0]["token_ending"] == "7f3a"
    assert place.run("channels", "test", "acme", "--token-stdin", stdin=FRESH).exit_code == 2


def test_a_channel_gets_another_name_and_another_shop(place: Place) -> None:
    assert place.run("channels", "edit", WHERE, "--name", "The main shop").exit_code == 0
    words = ["channels", "edit", WHERE, "--domain", "moved.example.com"]
    assert place.run(*words).exit_code == 2
    result = place.run(*words, "--token-stdin", stdin=FRESH)
    assert result.exit_code == 0 and FRESH not in result.output
    (row,) = place.json("channels", "list")
    assert (row["name"], row["domain"], row["token_ending"]) == ("The main shop", "moved.example.com", "99zz")
    assert place.run("channels", "edit", WHERE, "--domain", "a b", "--token-stdin", stdin=FRESH).exit_code == 3


def test_a_channel_is_deleted_when_somebody_is_sure(place: Place) -> None:
    place.publish(order_created("1"))
    refused = place.run("channels", "delete", WHERE, stdin="n\n")
    assert refused.exit_code == 1 and "1 waiting deliveries" in refused.stderr
    assert place.run("channels", "delete", WHERE, "--yes").exit_code == 0
    assert place.json("channels", "list") == []
    (message,) = place.json("messages", "--channel", WHERE)
    assert message["deliveries"][0]["code"] == "channel_deleted"


def test_warehouses_are_made_enabled_and_deleted(place: Place) -> None:
    assert "any code" in place.run("warehouses", "list").stdout
    for words in (("create", "east", "--name", "East"), ("enable", "acme", "east"), ("rename", "east", "East hall")):
        assert place.run("warehouses", *words).exit_code == 0
    assert place.json("warehouses", "list") == [{"code": "east", "name": "East hall", "accounts": ["acme"]}]
    assert place.run("channels", "settings", WHERE, 'stock_warehouses=["west"]').exit_code == 3
    assert place.run("warehouses", "delete", "east").exit_code == 3
    assert place.run("warehouses", "disable", "acme", "east").exit_code == 0
    assert place.run("warehouses", "delete", "east").exit_code == 0
    assert place.run("warehouses", "enable", "acme", "east").exit_code == 3
