"""The error tree: everything Towpath raises on purpose.

TowpathError
├── InputError            what came in is wrong; carries a code and a sentence for its sender
│   ├── MalformedEvent    not JSON, not an envelope, wrong payload, too large
│   ├── UnknownName       account, channel, job or event type that does not exist
│   └── IdentityConflict  the same (source, id) came before with another body
├── ConfigurationError    settings or topology that cannot work; said at start, never later
├── StorageUnavailable    the database cannot be reached or cannot write; try again later
├── TransportUnavailable  the message broker cannot be reached or is blocked; try again later
├── LeaseLost             this worker's lease ran out: it must stop and write nothing
└── ShopError             a call to a shop failed; see the five kinds below
    ├── ShopRejected      the shop understood and said no (4xx): the same call will fail again
    ├── ShopUnauthorized  401 or 403: token wrong, expired or read-only
    ├── ShopThrottled     429: wait ``retry_after`` seconds
    ├── ShopDown          not reached, or 5xx on a call that changed nothing: safe to repeat
    └── ShopOutcomeUnknown  the write may or may not have happened: read back before repeating
"""

from __future__ import annotations


class TowpathError(Exception):
    """Base of all errors raised on purpose.

    ``code`` is a word of the fixed vocabulary (see ``docs/glossary.md``); ``sentence`` says to a person what
    happened, to what, and what to do next. Neither ever holds a secret or personal data.
    """

    code = "error"

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        if code is not None:
            self.code = code


class InputError(TowpathError):
    """What came in cannot be accepted; repeating it unchanged will fail again."""

    code = "invalid_input"


class MalformedEvent(InputError):
    """The body is no valid event: encoding, JSON, envelope, size or payload."""

    code = "malformed_event"


class UnknownName(InputError):
    """An account, channel, job or event type that does not exist here."""

    code = "unknown_name"


class IdentityConflict(InputError):
    """The pair (source, id) was seen before with another body (CloudEvents 1.0, section "id")."""

    code = "identity_conflict"


class ConfigurationError(TowpathError):
    """Settings, topology or schema that cannot work."""

    code = "configuration"


class StorageUnavailable(TowpathError):
    """The database cannot be reached or cannot write."""

    code = "storage_unavailable"


class TransportUnavailable(TowpathError):
    """The message broker cannot be reached, is blocked, or did not answer in time."""

    code = "transport_unavailable"


class LeaseLost(TowpathError):
    """The lease of this worker is over or too short for another call."""

    code = "lease_lost"


class ShopError(TowpathError):
    """A call to a shop failed.

    ``status`` is the HTTP status where one was received.
    """

    code = "shop_error"

    def __init__(self, sentence: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(sentence, code=code)
        self.status = status


class ShopRejected(ShopError):
    """The shop understood the call and refused it; the same call will be refused again."""

    code = "shop_rejected"


class ShopUnauthorized(ShopError):
    """401 or 403: the token is wrong, expired, revoked or may not write."""

    code = "shop_unauthorized"


class ShopThrottled(ShopError):
    """429 or its equivalent: the shop asks to wait.

    ``retry_after`` is in seconds, ``None`` where the shop did not say.
    """

    code = "shop_throttled"

    def __init__(self, sentence: str, *, retry_after: float | None = None, status: int | None = 429) -> None:
        super().__init__(sentence, status=status)
        self.retry_after = retry_after


class ShopDown(ShopError):
    """The shop cannot be reached or fails, and the call changed nothing for certain or may be repeated.

    ``reached`` is false where no connection was found: nothing was sent, and no other call would fare better.
    """

    code = "shop_down"

    def __init__(
        self, sentence: str, *, code: str | None = None, status: int | None = None, reached: bool = True
    ) -> None:
        super().__init__(sentence, code=code, status=status)
        self.reached = reached


class ShopOutcomeUnknown(ShopError):
    """The connection broke or timed out after a write was sent: it may have happened."""

    code = "outcome_unknown"
