"""The border to pika: connections and channels as awaitables, failures as sentences.

Pika speaks in callbacks and has no type information; nothing outside this package touches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from pika import exceptions as pika_errors
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

from broker.transports.rabbitmq.settings import AmqpSettings, parameters
from domain.errors import TransportUnavailable

_CLOSE_SECONDS = 3.0

_SENTENCES: dict[type[BaseException], str] = {
    pika_errors.ProbableAuthenticationError: "the user name or password was refused.",
    pika_errors.AuthenticationError: "the user name or password was refused.",
    pika_errors.ProbableAccessDeniedError: "the virtual host does not exist or this user may not enter it.",
    pika_errors.IncompatibleProtocolError: "what answers there does not speak AMQP 0-9-1.",
    pika_errors.ConnectionOpenAborted: "no answer in time.",
    AMQPConnectorStackTimeout: "no answer in time.",
    TimeoutError: "no answer in time.",
}


class ChannelLost(TransportUnavailable):
    """A channel was closed while it was needed; ``reply_code`` is AMQP's, 0 when the connection went."""

    def __init__(self, sentence: str, reply_code: int = 0) -> None:
        super().__init__(sentence)
        self.reply_code = reply_code


class Channel:
    """An open channel. ``closed`` becomes the reason when it is no longer open."""

    def __init__(self, raw: Any, timeout: float) -> None:
        self.raw = raw
        self.closed: asyncio.Future[ChannelLost] = asyncio.get_running_loop().create_future()
        self._timeout = timeout
        raw.add_on_close_callback(self._on_close)

    async def ask(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call one of the raw channel's methods and wait for the broker's answer, which is returned.

        Raises:
            ChannelLost: the broker closed the channel instead.
            TransportUnavailable: no answer in time.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(frame: Any) -> None:
            if not answer.done():
                answer.set_result(frame.method)

        try:
            method(*arguments, callback=answered, **named)
        except pika_errors.AMQPError as error:
            raise self.closed.result() if self.closed.done() else ChannelLost(explain(error)) from None
        await asyncio.wait({answer, self.closed}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if self.closed.done():
            raise self.closed.result()
        raise TransportUnavailable(f"RabbitMQ did not answer within {self._timeout:g} s.")

    def close(self) -> None:
        """Close the channel, so that the broker takes back what was not acknowledged.

        Pika would cancel the consumers first. The broker would then feed the next consumer of a single-active
        queue while messages are still in hand here, out of order. A closed channel returns them first.
        """
        if self.raw.is_open:
            self.raw._cancelled.update(self.raw.consumer_tags)
            self.raw.close()

    async def wait_closed(self) -> None:
        """Wait, bounded, until the broker has closed it too."""
        await asyncio.wait({self.closed}, timeout=min(_CLOSE_SECONDS, self._timeout))

    def _on_close(self, _raw: Any, error: BaseException) -> None:
        if not self.closed.done():
            code = error.reply_code if isinstance(error, pika_errors.ChannelClosedByBroker) else 0
            self.closed.set_result(ChannelLost(explain(error), code))


class Link:
    """An open connection. ``lost`` becomes the reason when it is gone; ``blocked`` while the broker takes no
    messages.
    """

    def __init__(self, raw: Any, settings: AmqpSettings) -> None:
        self.raw = raw
        self.blocked = False
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.on_block: Callable[[], None] = _nothing
        self._settings = settings
        raw.add_on_close_callback(self._on_close)
        raw.add_on_connection_blocked_callback(lambda *_: self._block(True))
        raw.add_on_connection_unblocked_callback(lambda *_: self._block(False))

    async def channel(self) -> Channel:
        """Open a channel.

        Raises:
            TransportUnavailable: the connection is gone or does not answer.
        """
        opened = asyncio.Event()
        try:
            raw = self.raw.channel(on_open_callback=lambda _raw: opened.set())
        except pika_errors.AMQPError as error:
            raise TransportUnavailable(explain(error)) from None
        channel = Channel(raw, self._settings.connect_timeout)
        channel.closed.add_done_callback(lambda _closed: opened.set())
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await opened.wait()
        except BaseException as error:
            with contextlib.suppress(pika_errors.AMQPError):
                raw.close()
            if isinstance(error, TimeoutError):
                raise TransportUnavailable("RabbitMQ opened no channel in time.") from None
            raise
        if channel.closed.done():
            raise channel.closed.result()
        return channel

    def abort(self, reason: str) -> None:
        """Throw the connection away at once, without waiting for the other side."""
        if not self.lost.done() and not self.raw.is_closed:
            self.raw._terminate_stream(pika_errors.AMQPConnectionError(reason))

    async def close(self) -> None:
        """Say goodbye; throws the connection away when that is not answered in time."""
        if self.raw.is_open:
            self.raw.close()
        await asyncio.wait({self.lost}, timeout=min(_CLOSE_SECONDS, self._settings.connect_timeout))
        self.abort("The connection was not closed in time.")
        await asyncio.wait({self.lost}, timeout=1.0)

    def _block(self, blocked: bool) -> None:
        self.blocked = blocked
        self.on_block()

    def _on_close(self, _raw: Any, error: BaseException) -> None:
        if not self.lost.done():
            self.lost.set_result(explain(error))


async def connect(settings: AmqpSettings) -> Link:
    """Open a connection.

    Raises:
        TransportUnavailable: with the reason, after the settings' connect timeout per address of the host.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Link] = loop.create_future()
    ended = asyncio.Event()

    def done(outcome: Any) -> None:
        ended.set()
        if not isinstance(outcome, AsyncioConnection):
            if not opened.done():
                opened.set_exception(TransportUnavailable(f"RabbitMQ at {settings.place}: {explain(outcome)}"))
        elif opened.done():
            outcome.close()
        else:
            opened.set_result(Link(outcome, settings))

    AsyncioConnection.create_connection([parameters(settings)], on_done=done, custom_ioloop=loop)
    try:
        return await opened
    finally:
        # Pika 1.4 cannot be stopped in the middle of the AMQP greeting; its own timeouts end the attempt.
        if not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await ended.wait()


def explain(error: Any) -> str:
    """A sentence about a failure; dug out of pika's wrappers, never with credentials."""
    if not isinstance(error, BaseException):
        return "connecting was given up."
    while nested := _nested(error):
        error = nested
    if isinstance(error, pika_errors.ConnectionClosed | pika_errors.ChannelClosed):
        return f"{error.reply_code} {error.reply_text}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate was not accepted: {error.verify_message}."
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return sentence
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _nested(error: BaseException) -> BaseException | None:
    several = getattr(error, "exceptions", None)
    inner = several[-1] if several else getattr(error, "exception", None)
    if inner is None and error.args:
        inner = error.args[0]
    return inner if isinstance(inner, BaseException) else None


def _nothing() -> None:
    """What happens on a block when nobody asked to hear of it."""
