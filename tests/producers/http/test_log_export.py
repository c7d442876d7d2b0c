from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.http.log_export import chosen_format, safe_cell
from producers.http.problems import Refusal
from tests.producers.http.support import Site, stock


async def test_the_log_is_exported_as_csv_that_no_spreadsheet_executes(site: Site) -> None:
    await site.send(stock(1, data={**stock(1)["data"], "sku": '=HYPERLINK("x"),1'}))
    await site.run(sentence="@SUM(A1)")
    answer = await site.get("/v1/logs", accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert "attachment" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["business_key"], row["sentence"]) == ('\'=HYPERLINK("x"),1', "'@SUM(A1)")
    assert (row["api_calls"], row["created"], row["superseded_by"]) == ("0", "0", "")


async def test_the_log_is_exported_as_json_lines(site: Site) -> None:
    await site.send_batch([stock(1), stock(2)])
    await site.run()
    answer = await site.get("/v1/logs?format=jsonl", accept="text/csv")
    assert answer.headers["content-type"] == "application/jsonl"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert {row["business_key"] for row in rows} == {"SKU-1", "SKU-2"}
    assert rows == (await site.get("/v1/logs")).json()["logs"]


async def test_a_format_nobody_has_is_answered_406(site: Site) -> None:
    assert (await site.get("/v1/logs", accept="application/pdf")).status_code == 406


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("text/csv;q=0.2, application/x-ndjson;q=0.7", "jsonl"),
        ("text/html, text/*;q=0.5, application/json;q=0.4", "csv"),
        ("application/json;q=0, text/csv", "csv"),
    ],
)
def test_the_client_gets_what_it_likes_best(accept: str | None, wanted: str) -> None:
    assert chosen_format(None, accept) == wanted


@given(st.text(max_size=30))
def test_no_accept_header_breaks_the_choice(accept: str) -> None:
    try:
        chosen_format(None, accept)
    except Refusal as refusal:
        assert refusal.status == 406


@given(st.text(max_size=20))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert safe_cell(text).endswith(text)
