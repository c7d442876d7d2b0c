"""What goes wrong with a connection, in words for people and without credentials."""

from __future__ import annotations

import ssl
import struct

from kombu.transport.pyamqp import Connection

REFUSED, NOT_FOUND, NOT_ALLOWED = 403, 404, 530
"""Reply codes after which another try fares no better (AMQP 0-9-1, section 4.2.7.3)."""

# Over a connection that went away py-amqp also stumbles with errors of the language.
FAILURES: tuple[type[BaseException], ...] = (
    *Connection.connection_errors,
    *Connection.channel_errors,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)
"""Everything a call into kombu or py-amqp may raise when the connection fails."""


class LinkLost(Exception):
    """The link is of no use any more. ``final``: nothing was taken, and another link would fare no better."""

    def __init__(self, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.final = final


def is_hopeless(error: BaseException) -> bool:
    """Whether trying again fails again: wrong credentials, certificate, virtual host or topology."""
    code = getattr(error, "reply_code", 0)
    return isinstance(error, ssl.SSLCertVerificationError) or code in (REFUSED, NOT_FOUND, NOT_ALLOWED)


def explain(error: BaseException) -> str:
    """What happened; the end of a sentence."""
    code = getattr(error, "reply_code", 0)
    text = str(getattr(error, "reply_text", "") or "")
    if code == REFUSED:
        login = "Login was refused" in text
        return f"{'the user name or password was' if login else 'publishing to the exchange is'} refused."
    if code == NOT_ALLOWED:
        return "the virtual host does not exist or this user may not enter it."
    if code == NOT_FOUND:
        return f"{text}; make it with `towpath topology declare`."
    if code:
        return f"{code} {text}."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate was not accepted: {error.verify_message.rstrip('.')}."
    if isinstance(error, TimeoutError) or "timed out" in text:
        return "it did not answer in time."
    return f"{getattr(error, 'strerror', None) or f'the connection broke ({type(error).__name__})'}."
