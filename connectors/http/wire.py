"""HTTP/1.1 on one connection: a request goes out in one piece, its answer is read by httptools (llhttp).

One request at a time, never repeated. What may have been sent is known: a failure before :meth:`Wire.exchange` wrote
anything is somebody else's, every failure in it may have come after.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field

import httptools
import httpx

MOST_HEAD = 64 * 1024
"""Bytes of status line and headers that an answer may have."""
_PACKED = {b"gzip": zlib.MAX_WBITS | 16, b"x-gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}


class AnswerTooLarge(httpx.ReadError):
    """The answer, which had this ``status``, is larger than ``HttpLimits.answer_bytes``."""

    def __init__(self, status: int) -> None:
        super().__init__("answer too large")
        self.status = status


@dataclass(slots=True)
class Answer:
    """One answer, its body unpacked. ``headers`` are as they came, names in lower case."""

    status_code: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: bytes = b""

    def header(self, name: bytes) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


class Wire(asyncio.Protocol):
    """One connection. ``reusable`` says whether another request may follow."""

    def __init__(self, most: int) -> None:
        self.reusable = True
        self.idle_since = 0.0
        self._most = most
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._answer = Answer()
        self._parts: list[bytes] = []
        self._size = self._head = 0
        self._sized = False
        self._unpacker: zlib._Decompress | None = None

    async def exchange(self, request: bytes) -> Answer:
        """Send a whole request and read its answer.

        Raises:
            httpx.ReadError: the connection broke or the answer is none, with or without an effect.
            AnswerTooLarge: it is larger than allowed.
        """
        if self._transport is None or not self.reusable:
            raise httpx.ReadError("connection broke")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiter
        except BaseException:
            # Half an answer, or none yet: whatever comes now must not be taken for the next one.
            self.close()
            raise
        finally:
            self._waiter = None

    def close(self) -> None:
        """End the connection. Safe to call twice."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: over. An answer without a length ends here."""
        self.reusable = False
        if self._answer.status_code >= 200 and not self._sized and exc is None:
            self.on_message_complete()
        self._fail(httpx.ReadError("connection broke"))

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes of an answer, or of nothing we asked for."""
        if self._waiter is None or self._waiter.done():
            self.close()
            return
        try:
            self._parser.feed_data(data)
            if not (self._answer.status_code or self._waiter.done()):
                self._grow_head(len(data))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            known = error.__context__
            self._fail(known if isinstance(known, httpx.TransportError) else httpx.ReadError("not an HTTP answer"))
        except httpx.TransportError as error:
            self._fail(error)
        if self._waiter.done() and self._head:
            # More came than was asked for: it must not be taken for the next answer.
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        self._grow_head(len(name) + len(value))
        name = name.lower()
        self._answer.headers.append((name, value))
        if name == b"content-encoding" and (bits := _PACKED.get(value.strip().lower())):
            self._unpacker = zlib.decompressobj(bits)
        self._sized = self._sized or name in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """httptools: the status is known."""
        self._answer.status_code = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        while body:
            part = body
            if self._unpacker is None:
                body = b""
            else:
                try:
                    part = self._unpacker.decompress(body, self._most + 1)
                except zlib.error:
                    raise httpx.ReadError("the answer cannot be unpacked") from None
                body = self._unpacker.unconsumed_tail
            self._size += len(part)
            if self._size > self._most:
                raise AnswerTooLarge(self._answer.status_code)
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """httptools: the answer is complete; an interim one (1xx) is not the answer."""
        answer, parts, waiter = self._answer, self._parts, self._waiter
        if answer.status_code < 200:
            self._answer, self._parts, self._sized = Answer(), [], False
            return
        answer.content = parts[0] if len(parts) == 1 else b"".join(parts)
        self.reusable = self.reusable and self._sized and self._parser.should_keep_alive()
        self._begin()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _grow_head(self, size: int) -> None:
        self._head += size
        if self._head > MOST_HEAD * 2:
            raise httpx.ReadError("the answer's headers are too large")

    def _fail(self, error: httpx.TransportError) -> None:
        self.reusable = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        if self._transport is not None:
            self._transport.abort()
