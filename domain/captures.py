"""Manual logging: what of a request and its response is kept, for a limited time (sales channels, sections 2 and 6).

Headers are never kept, so no token is; what looks like a secret in a body is replaced, and so is the channel's token
wherever it stands. Personal data stays: a capture says which order it is about, so that it can be erased with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic_core import from_json, to_json

from domain.errors import InputError

DEFAULT_TIME, LONGEST_TIME = timedelta(hours=1), timedelta(hours=24)
"""For how long manual logging is switched on, unless told otherwise and at the most."""
KEPT = timedelta(days=3)
"""How long a capture is kept."""
MOST_CHARACTERS = 32_768
"""Of a request and of a response; the rest is cut off."""
MOST_OF_A_RUN = 200
"""API calls of one run that are captured, so that a large import does not fill the database."""
HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(r"token|secret|passw|authoriz|api_?key|credential|signature|card|cvv|iban", re.IGNORECASE)
_SECRET_QUERY = re.compile(r"([?&](?:token|api_?key|secret|signature)=)[^&]*", re.IGNORECASE)
_ORDER = re.compile(r"^order ([^\s,]+)")
_SHORTEST_HIDDEN = 3


@dataclass(frozen=True, slots=True)
class Capture:
    """One API call as manual logging keeps it. ``about`` names the order, product or SKU where the call says it;
    ``status`` is ``None`` where no answer came.
    """

    at: datetime
    method: str
    path: str
    about: str
    status: int | None
    request: str
    response: str

    @property
    def order(self) -> str | None:
        """The order number it is about."""
        found = _ORDER.match(self.about)
        return found[1] if found else None


def logging_time(wanted: timedelta) -> timedelta:
    """A time for which manual logging may be switched on.

    Raises:
        InputError: not more than nothing, or more than 24 hours.
    """
    if not timedelta(0) < wanted <= LONGEST_TIME:
        raise InputError(
            "Manual logging can be switched on for up to 24 hours; switch it on again after that.", code="too_long"
        )
    return wanted


def capture_of(
    at: datetime, request: bytes, about: str, status: int | None, response: bytes, hide: Sequence[str]
) -> Capture:
    """What is kept of a whole HTTP request and the body of its response; ``hide`` are texts that may stand nowhere."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, target, *_ = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
    path = _without(_SECRET_QUERY.sub(rf"\1{HIDDEN}", target), hide)
    return Capture(at, method, path, about, status, redacted(body, hide), redacted(response, hide))


def redacted(body: bytes, hide: Sequence[str] = ()) -> str:
    """A body as text without secrets, cut at :data:`MOST_CHARACTERS`. What is no JSON is kept as it is, but for
    ``hide``.
    """
    try:
        document = from_json(body)
        text = to_json(_masked(document)).decode()
    except ValueError:
        text = body.decode("utf-8", "replace")
    text = _without(text, hide)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: HIDDEN if _SECRET_NAME.search(str(name)) and member not in (None, "") else _masked(member)
            for name, member in value.items()
        }
    return [_masked(member) for member in value] if isinstance(value, list) else value


def _without(text: str, hide: Sequence[str]) -> str:
    for hidden in sorted(hide, key=len, reverse=True):
        if len(hidden) >= _SHORTEST_HIDDEN:
            text = text.replace(hidden, HIDDEN)
    return text
