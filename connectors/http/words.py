"""What a shop said about a refusal, cut and cleaned until it may stand in a log (design, promise 6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

LONGEST_QUOTE = 300
"""Characters of a shop's words that are kept."""

_SHORTEST_HIDDEN = 3
_PHONE_DIGITS = 9
_EMAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_URL_TAIL = re.compile(r"(https?://[^\s/?#]+)[^\s]*")
_NUMBER = re.compile(r"\+?\d[\d ()./-]{6,}\d")
_SECRET_LIKE = re.compile(r"\b(?=[\w-]*\d)[\w-]{24,}\b")
_PERSONAL_FIELD = re.compile(r"contact|address|customer|e?mail|phone|name|zip|city|company|username", re.I)
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def shop_words(document: object, hide: Sequence[str] = ()) -> str:
    """The message in an error document of any shape seen in the field, at most :data:`LONGEST_QUOTE`
    characters.

    Understood: ``{"error": "…"}``, ``{"error": {"message": "…"}}``, ``{"errors": ["…"]}``, ``{"errors":
    {"field": ["…"]}}``, ``{"message": "…"}`` and lists of these. Anything else, pages included, gives ``""``:
    a page may hold whatever the shop had at hand. Members named after personal data are named, not quoted.
    """
    return clean_words("; ".join(messages(document)), hide)


def clean_words(text: str, hide: Sequence[str] = ()) -> str:
    """The text in one line without ``hide``, e-mail addresses, phone numbers, URL paths and long secrets."""
    for hidden in sorted(hide, key=len, reverse=True):
        if len(hidden) >= _SHORTEST_HIDDEN:
            text = re.sub(re.escape(hidden), "[hidden]", text, flags=re.IGNORECASE)
    text = _SPACES.sub(" ", text).strip()
    text = _URL_TAIL.sub(r"\1", text)
    text = _EMAIL.sub("[e-mail]", text)
    text = _NUMBER.sub(_phone, text)
    text = _SECRET_LIKE.sub("[hidden]", text)
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"


def has_error(document: object) -> bool:
    """Whether a document claims an error by a member ``error`` or ``errors`` that is not empty."""
    return isinstance(document, Mapping) and bool(document.get("error") or document.get("errors"))


def _phone(match: re.Match[str]) -> str:
    found = match.group()
    digits = sum(character.isdigit() for character in found)
    return "[number]" if digits >= _PHONE_DIGITS and digits < len(found) else found


def messages(document: object) -> Iterator[str]:
    """The messages of an error document of any shape, uncleaned: they must not be shown as they are."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for name in ("error", "errors", "message"):
            yield from _named(document.get(name))
    elif isinstance(document, list):
        for item in document:
            yield from messages(item)


def _named(value: object) -> Iterator[str]:
    if not isinstance(value, Mapping) or any(name in value for name in ("error", "errors", "message")):
        yield from messages(value)
    else:
        for field, said in value.items():
            if _PERSONAL_FIELD.search(str(field)):
                yield f"{field} is not accepted"
            else:
                yield from (f"{field}: {message}" for message in messages(said))
