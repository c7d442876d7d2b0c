"""The sync log on the command line."""

from __future__ import annotations

import csv
import io
import json

import pytest

from domain.errors import ShopDown, ShopRejected
from domain.outcomes import Counts, Done, Effects
from domain.synclog import ApiCall
from tests.console.cli.support import TOKEN, Place, order_created, stock_changed

CALL = ApiCall("GET", "/api/v2.7.0/orders/{id}", 200, 98, 4120)


@pytest.fixture
def busy(place: Place) -> Place:
    """Order 4711 imported at the second attempt, order 4712 refused, stock of a SKU set."""
    place.publish(order_created("4711"))
    place.attempt(ShopDown("The shop answered 503.", status=503), CALL, due_in=0.0)
    place.attempt(Done("Order 4711 was imported.", effects=Effects(Counts(read=1, created=1))), CALL)
    place.publish(order_created("4712"))
    place.attempt(ShopRejected("The shop refused order 4712.", status=422))
    place.publish(stock_changed("MUG-1", 7, 1))
    place.attempt(Done("Stock of MUG-1 is 7 in the shop."))
    return place


def test_what_happened_to_an_order_is_told_newest_first(busy: Place) -> None:
    result = busy.run("logs", "--order", "4711")
    assert result.exit_code == 0
    assert result.stdout.index("Order 4711 was imported.") < result.stdout.index("The shop answered 503.")
    assert "attempt 2" in result.stdout
    assert "4712" not in result.stdout
    assert "Times in Europe/Berlin." in result.stdout


def test_as_json_it_has_stable_members_and_utc_times(busy: Place) -> None:
    rows = busy.json("logs", "--order", "4711")
    assert [row["outcome"] for row in rows] == ["Done", "Retry"]
    assert rows[0]["finished_at"].endswith("Z")
    assert rows[0]["counts"] == {"read": 1, "created": 1}
    assert rows[0]["calls"][0]["route"] == "/api/v2.7.0/orders/{id}"
    assert list(rows[0])[:4] == ["id", "started_at", "finished_at", "organization"]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["--sku", "MUG-1"], ["MUG-1"]),
        (["--job", "inventory_export"], ["MUG-1"]),
        (["--outcome", "dead"], ["4712"]),
        (["--level", "error"], ["4712", "4711"]),
        (["--code", "shop_rejected"], ["4712"]),
        (["--channel", "acme/bright-main", "--since", "1h"], ["MUG-1", "4712", "4711", "4711"]),
        (["--channel", "elsewhere"], []),
        (["--account", "acme", "--limit", "1"], ["MUG-1"]),
        (["--since", "2200-01-01T00:00:00Z"], []),
    ],
)
def test_it_is_narrowed_by_every_option(busy: Place, words: list[str], keys: list[str]) -> None:
    assert [row["business_key"] for row in busy.json("logs", *words)] == keys


def test_nothing_found_says_where_else_to_look(busy: Place) -> None:
    result = busy.run("logs", "--order", "9999")
    assert result.exit_code == 0
    assert "towpath messages --order 9999" in result.stdout
    assert busy.json("logs", "--order", "9999") == []


def test_more_rows_than_shown_are_mentioned(busy: Place) -> None:
    assert "there may be more" in busy.run("logs", "--limit", "2").stdout
    assert "there may be more" not in busy.run("logs").stdout


@pytest.mark.parametrize(
    "words", [["--outcome", "great"], ["--level", "loud"], ["--since", "noon"], ["--json", "--csv", "-"]]
)
def test_options_that_cannot_be_are_usage_errors(busy: Place, words: list[str]) -> None:
    result = busy.run("logs", *words)
    assert result.exit_code == 2
    assert "towpath logs --help" in result.stderr


def test_csv_export_holds_all_rows_oldest_first(busy: Place) -> None:
    result = busy.run("logs", "--csv", "-")
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["business_key"] for row in rows] == ["4711", "4711", "4712", "MUG-1"]
    assert rows[1]["created"] == "1"
    assert rows[1]["api_calls"] == "1"
    assert "4 rows exported." in result.stderr


def test_json_lines_export_to_a_file_is_one_document_a_line(busy: Place) -> None:
    file = busy.folder / "log.jsonl"
    assert busy.run("logs", "--jsonl", str(file), "--limit", "2").exit_code == 0
    assert [json.loads(line)["business_key"] for line in file.read_text().splitlines()] == ["4712", "MUG-1"]


def test_an_export_that_cannot_be_written_is_said(busy: Place) -> None:
    result = busy.run("logs", "--csv", str(busy.folder / "no" / "such" / "folder.csv"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_looking_never_opens_for_a_change(busy: Place) -> None:
    busy.run("logs")
    assert busy.openings == ["look"]


def test_no_colour_reaches_a_pipe(busy: Place) -> None:
    assert "\x1b" not in busy.run("logs").output


def test_the_token_is_nowhere_in_it(busy: Place) -> None:
    for words in (
        ["logs"],
        ["logs", "--json"],
        ["logs", "--csv", "-"],
        ["messages"],
        ["channels", "list", "--json"],
        ["doctor"],
    ):
        assert TOKEN not in busy.run(*words).output
