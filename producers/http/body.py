"""Reading a request body with bounds on size and time, counted while it streams in."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from producers.http.problems import Refusal

_DRAINED_BYTES = 8 * 1024 * 1024
"""A body that is too large is read on, up to this size, and thrown away: a sender that has not finished
sending would otherwise see a broken connection instead of the answer."""


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The body, at most ``most`` bytes, within ``seconds``.

    Raises:
        Refusal: 413 too large, 408 too slow.
        ClientDisconnect: the sender went away.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, most)
    except TimeoutError:
        raise Refusal(
            408,
            "body_too_slow",
            f"The body did not arrive within {seconds:.0f} s.",
            headers={"Connection": "close"},
        ) from None


async def _read(request: Request, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > _DRAINED_BYTES:
            raise _too_large(most, {"Connection": "close"})
        if size <= most:
            parts.append(chunk)
        else:
            parts.clear()
    if size > most:
        raise _too_large(most, {})
    return b"".join(parts)


def _too_large(most: int, headers: dict[str, str]) -> Refusal:
    return Refusal(
        413,
        "body_too_large",
        f"The body is larger than {most} bytes. Send a reference, or a smaller batch.",
        headers=headers,
    )
