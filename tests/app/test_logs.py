"""Program logs: what is secret or personal is masked, whatever surrounds it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.logs import clean, configure, redact

words = st.text(max_size=60)
keys = st.from_regex(r"tp_[A-Za-z0-9_-]{20,60}", fullmatch=True)
mails = st.from_regex(r"[a-z0-9._+-]{1,20}@[a-z0-9-]{1,20}(\.[a-z]{2,6}){1,2}", fullmatch=True)
phones = st.from_regex(r"\+[1-9]\d{0,2} [2-9]\d{2} \d{3} \d{4}", fullmatch=True)
passwords = st.from_regex(r"[A-Za-z0-9_~!$&*+,;=:%/-]{4,30}", fullmatch=True)
plain = st.from_regex(r"[a-z ]{0,40}", fullmatch=True)


@given(words, keys, words)
def test_an_api_key_never_shows(before: str, key: str, after: str) -> None:
    assert key not in clean(before + key + after)


@given(words, mails, words)
def test_a_mail_address_never_shows(before: str, mail: str, after: str) -> None:
    assert mail not in clean(f"{before} {mail} {after}")


@given(plain, phones, plain)
def test_a_phone_number_never_shows(before: str, phone: str, after: str) -> None:
    assert phone not in clean(f"{before} {phone} {after}")


@given(st.sampled_from(["amqp", "amqps", "postgresql", "https"]), st.sampled_from(["", "guest"]), passwords)
def test_a_password_in_a_url_never_shows(scheme: str, user: str, password: str) -> None:
    assert f":{password}@" not in clean(f"cannot reach {scheme}://{user}:{password}@host:5672/path now")


@given(st.text())
def test_cleaned_text_is_short_and_without_control_characters(text: str) -> None:
    cleaned = clean(text * 50)
    assert len(cleaned) <= 2000
    assert not any(ord(character) < 32 and character not in "\t\n" for character in cleaned)


@pytest.mark.parametrize(
    "text",
    [
        "Order 1001 (shipped) imported with 2 lines.",
        "The cursor stands at 2026-03-02 08:00.",
        "lane 01a200e6-8356-771b-a72f-fc3585adcecb is due",
        "listening on http://127.0.0.1:8380/v1/events",
    ],
)
def test_what_operators_need_stays(text: str) -> None:
    assert clean(text) == text


@given(
    st.sampled_from(["token", "access_token", "Authorization", "db_PASSWORD", "api_key", "secret_keys", "cookie"]),
    words,
)
def test_a_secret_by_name_is_dropped_whatever_it_holds(name: str, value: str) -> None:
    assert redact(None, "info", {"event": "x", name: value})[name] == "[secret]"


@given(mails)
def test_what_stands_deeper_is_masked_too(mail: str) -> None:
    event: dict[str, Any] = {
        "event": "x",
        "rows": [{"customer": mail, "token": "t"}],
        "pair": (mail,),
        "error": ValueError(mail),
        "body": mail.encode(),
    }
    shown = json.dumps(redact(None, "info", event), default=repr)
    assert mail not in shown
    assert redact(None, "info", {"rows": [{"token": "t"}]})["rows"] == [{"token": "[secret]"}]


def test_numbers_and_truths_stay_what_they_are() -> None:
    event = {"event": "x", "count": 3, "seconds": 0.5, "ok": True, "none": None}
    assert redact(None, "info", dict(event)) == event


@pytest.fixture
def _configured() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure("info", "json")
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.mark.usefixtures("_configured")
def test_an_exception_of_any_library_is_logged_without_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    try:
        raise ValueError("kim@example.com at amqp://guest:hidden-word@host/")
    except ValueError:
        logging.getLogger("some.library").exception("failed for %s", "kim@example.com")
        structlog.get_logger("ours").exception("failed", customer="kim@example.com")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["level"] for line in lines] == ["error", "error"]
    assert all("ValueError" in line["exception"] for line in lines)
    assert not [word for word in ("kim@", "hidden-word") if word in json.dumps(lines)]
