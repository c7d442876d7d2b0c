"""The border: what a call's end means to the engine. Nothing else decides this.

One row per way a call can end, one column per :data:`connectors.http.operations.Repeat`; a test reads this
table and plays every cell against the code below.

| what happened                                  | read             | set              | unsafe             |
|------------------------------------------------|------------------|------------------|--------------------|
| 2xx with the JSON that was expected            | answer           | answer           | answer             |
| 2xx with an error member instead               | ShopRejected     | ShopRejected     | ShopRejected       |
| 2xx with a page, half JSON or other JSON       | ShopDown         | ShopDown         | ShopOutcomeUnknown |
| 3xx                                            | ShopRejected     | ShopRejected     | ShopRejected       |
| 401                                            | ShopUnauthorized | ShopUnauthorized | ShopUnauthorized   |
| 403                                            | ShopUnauthorized | ShopUnauthorized | ShopUnauthorized   |
| 404                                            | ShopRejected     | ShopRejected     | ShopRejected       |
| 408                                            | ShopDown         | ShopDown         | ShopOutcomeUnknown |
| 429                                            | ShopThrottled    | ShopThrottled    | ShopThrottled      |
| other 4xx                                      | ShopRejected     | ShopRejected     | ShopRejected       |
| 5xx                                            | ShopDown         | ShopDown         | ShopOutcomeUnknown |
| any other status                               | ShopDown         | ShopDown         | ShopOutcomeUnknown |
| refused by the address guard                   | ShopRejected     | ShopRejected     | ShopRejected       |
| no connection (refused, DNS, TLS, timeout)     | ShopDown         | ShopDown         | ShopDown           |
| broken after sending (time, reset, half, size) | ShopDown         | ShopDown         | ShopOutcomeUnknown |

A good answer is a JSON object or list that has one of the members the operation expects; where it expects
none, an empty body will do. A shop that says "error" under 2xx has understood and refused, which is why it is
not unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import httpx
from pydantic_core import from_json

from connectors.http.operations import Operation
from connectors.http.retry_after import retry_after_seconds
from connectors.http.transport import NOTHING_SENT, AddressRefused, Answer, AnswerTooLarge
from connectors.http.words import has_error, shop_words
from domain.errors import (
    ShopDown,
    ShopError,
    ShopOutcomeUnknown,
    ShopRejected,
    ShopThrottled,
    ShopUnauthorized,
)

Document = dict[str, object] | list[object]


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its error sentences name it; ``hide`` is what must not be quoted back from the shop's
    words."""

    channel: str
    operation: Operation
    about: str
    hide: tuple[str, ...] = ()

    def sentence(self, happened: str, next_step: str) -> str:
        """``Channel …, order …: <title> <happened>. <next step>``."""
        about = f", {self.about}" if self.about else ""
        return f"Channel {self.channel}{about}: {self.operation.title} {happened}. {next_step}"


def read_response(call: Call, response: Answer, now: datetime) -> Document | ShopError:
    """The good answer, or the error the response stands for. ``now`` (aware UTC) is for ``Retry-After``
    dates."""
    status = response.status_code
    if 200 <= status < 300:
        return _read_success(call, response)
    if 300 <= status < 400:
        happened = f"was answered with a redirect ({status}), which is never followed"
        next_step = "Check the Shop Domain and the API version of the channel."
        return ShopRejected(call.sentence(happened, next_step), code="redirected", status=status)
    if status in (401, 403):
        return _unauthorized(call, status)
    if status == 429:
        wait = retry_after_seconds(response.header(b"retry-after"), now)
        sentence = call.sentence("was throttled by the shop (429)", "It is tried again after the wait it asked for.")
        return ShopThrottled(sentence, retry_after=wait, status=status)
    if 400 <= status < 500 and status != 408:
        return _rejected(call, status, _document(response.content))
    return _uncertain(call, f"failed in the shop ({status})", status=status)


def failed_call(call: Call, failure: httpx.TransportError) -> ShopError:
    """The error a call without a response stands for."""
    if isinstance(failure, AddressRefused):
        happened = "was stopped before it left: the shop's address is not on the public internet, https and port 443"
        return ShopRejected(call.sentence(happened, "Check the Shop Domain of the channel."), code="address_refused")
    if isinstance(failure, NOTHING_SENT):
        happened = "found no connection to the shop (refused, name unknown, TLS or timeout); nothing was sent"
        next_step = "It is tried again by itself; check the Shop Domain if it stays."
        return ShopDown(call.sentence(happened, next_step), reached=False)
    if isinstance(failure, AnswerTooLarge):
        return _uncertain(call, "got an answer larger than is accepted", code="answer_too_large", status=failure.status)
    if isinstance(failure, httpx.TimeoutException):
        return _uncertain(call, "got no answer in time")
    return _uncertain(call, "lost the connection before the answer was complete")


def _read_success(call: Call, response: Answer) -> Document | ShopError:
    expects, status = call.operation.expects, response.status_code
    document = _document(response.content or b"{}")
    if isinstance(document, dict):
        if any(member in document for member in expects):
            return document
        if has_error(document):
            return _rejected(call, status, document)
    if document is None or expects:
        wanted = f"JSON with {' or '.join(expects)}" if expects else "JSON"
        return _uncertain(
            call, f"got an answer ({status}) that is not {wanted}", code="unreadable_answer", status=status
        )
    return document


def _document(body: bytes) -> Document | None:
    try:
        document = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    return document if isinstance(document, dict | list) else None


def _rejected(call: Call, status: int, document: Document | None) -> ShopError:
    words = shop_words(document, call.hide)
    quoted = f": “{words}”" if words else ", without a readable reason"
    if status == 404:
        next_step = "Check that it still exists there, and the Shop Domain and API version of the channel."
        sentence = call.sentence(f"found nothing in the shop (404){quoted}", next_step)
        return ShopRejected(sentence, code=call.operation.not_found, status=status)
    sentence = call.sentence(f"was refused by the shop ({status}){quoted}", "Correct the cause, then replay.")
    return ShopRejected(sentence, status=status)


def _unauthorized(call: Call, status: int) -> ShopError:
    if status == 401:
        happened = "was refused: the shop does not know the access token (401); it is wrong, expired or revoked"
    elif call.operation.writes:
        happened = "was refused: the access token may not write (403)"
    else:
        happened = "was refused: the access token may not read this (403)"
    return ShopUnauthorized(call.sentence(happened, "Enter a valid Read/Write token in the channel."), status=status)


def _uncertain(call: Call, happened: str, *, code: str | None = None, status: int | None = None) -> ShopError:
    if call.operation.repeat == "unsafe":
        next_step = "It may have been done all the same: look in the shop before it is done again."
        return ShopOutcomeUnknown(call.sentence(happened, next_step), status=status)
    return ShopDown(call.sentence(happened, "It is safe to repeat and is tried again."), code=code, status=status)
