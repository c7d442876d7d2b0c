"""E-mail addresses and passwords."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.people import LONGEST_PASSWORD, SHORTEST_PASSWORD, check_password, clean_email


@pytest.mark.parametrize("text", ["first@example.com", " First@Example.COM\n", "FIRST@EXAMPLE.COM"])
def test_an_address_is_the_same_however_it_is_typed(text: str) -> None:
    assert clean_email(text) == "first@example.com"


@pytest.mark.parametrize(
    "text", ["", "first", "@shop.test", "first@", "a@b@c", "first last@example.com", "a\x00@b", "x" * 250 + "@b.com"]
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InputError) as caught:
        clean_email(text)
    assert caught.value.code == "bad_email"
    assert not text or text not in caught.value.sentence


@given(st.text())
def test_a_cleaned_address_is_clean(text: str) -> None:
    try:
        made = clean_email(text)
    except InputError:
        return
    assert clean_email(made) == made


@pytest.mark.parametrize("password", ["a sentence that is long", "correct horse battery", "x1y2z" * 3, "ä ö ü ß " * 32])
def test_any_long_sentence_is_a_password(password: str) -> None:
    check_password(password, "first@example.com")


@pytest.mark.parametrize(
    "password",
    ["", "abcdefghijklmn", "a" * 40, "abab" * 10, "first@example.com", "First@Example.com", "abcdefgh" * 33],
)
def test_a_weak_password_is_refused_without_repeating_it(password: str) -> None:
    with pytest.raises(InputError) as caught:
        check_password(password, "first@example.com")
    assert caught.value.code == "weak_password"
    assert not password or password not in caught.value.sentence


def test_the_bounds_count_characters() -> None:
    letters = "abcdefghij" * 30
    check_password(letters[:SHORTEST_PASSWORD], "x@y")
    check_password(letters[:LONGEST_PASSWORD], "x@y")
    for length in (SHORTEST_PASSWORD - 1, LONGEST_PASSWORD + 1):
        with pytest.raises(InputError):
            check_password(letters[:length], "x@y")
