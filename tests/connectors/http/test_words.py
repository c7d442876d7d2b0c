from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.words import LONGEST_QUOTE, clean_words, shop_words

SAID = "Status cannot change from canceled to new"


@pytest.mark.parametrize(
    "document",
    [
        {"error": SAID},
        {"error": {"message": SAID}},
        {"error": {"errors": [SAID]}},
        {"errors": [SAID]},
        {"errors": SAID},
        {"errors": [{"message": SAID}]},
        {"message": SAID},
        [SAID],
        [{"error": SAID}],
    ],
)
def test_the_message_is_found_in_every_error_shape(document: object) -> None:
    assert shop_words(document) == SAID


def test_errors_by_field_name_the_field() -> None:
    document = {"errors": {"order[status]": [SAID], "base": ["No"]}}
    assert shop_words(document) == f"order[status]: {SAID}; base: No"


def test_a_field_with_personal_data_is_named_and_not_quoted() -> None:
    document = {"errors": {"shipping_contact.first_name": ["Ann Example is too short"]}}
    assert shop_words(document) == "shipping_contact.first_name is not accepted"


@pytest.mark.parametrize("document", [None, "", 7, {}, {"order": {"first_name": "Ann"}}, {"errors": {}}, {"error": 5}])
def test_a_document_without_a_message_gives_no_words(document: object) -> None:
    assert shop_words(document) == ""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("mail to ann@example.com failed", "mail to [e-mail] failed"),
        ("call +1 (303) 555-0142 now", "call [number] now"),
        ("order 1234567890123 on 2026-03-02", "order 1234567890123 on 2026-03-02"),
        ("see https://shop.example/orders?token=abc", "see https://shop.example"),
        ("token abcdef0123456789abcdef0123456789 bad", "token [hidden] bad"),
        ("a\r\n\tb\x00c\x9bd", "a b c d"),
    ],
)
def test_what_looks_personal_or_secret_is_masked(said: str, told: str) -> None:
    assert clean_words(said) == told


def test_hidden_texts_are_masked_in_any_case() -> None:
    assert clean_words("ANN EXAMPLE has tok-1", ["Ann Example", "tok-1"]) == "[hidden] has [hidden]"


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["error", "errors", "message", "field"]), inner)
        ),
    )
)
def test_any_document_gives_one_short_line(document: object) -> None:
    words = shop_words(document)
    assert len(words) <= LONGEST_QUOTE
    assert "\n" not in words


@given(st.text(alphabet="ab ", max_size=400), st.text(alphabet="ab", min_size=3, max_size=5))
def test_a_hidden_text_never_shows(said: str, hidden: str) -> None:
    assert hidden not in clean_words(f"{said} {hidden} {said}", [hidden])
