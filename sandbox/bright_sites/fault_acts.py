"""What each fault kind does to a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.bright_sites.answers import Answer, answer, html_page
from sandbox.bright_sites.exchange import Exchange
from sandbox.bright_sites.faults import Fault, FaultRule

Act = Callable[[Exchange, FaultRule], Awaitable[web.StreamResponse]]


async def act_out(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    """Let the rule strike; the ledger names it."""
    exchange.record.fault = rule.id
    if rule.fault.after_write and rule.fault.kind in _MAY_WRITE_FIRST:
        exchange.handle()
    return await ACTS[rule.fault.kind](exchange, rule)


async def _latency(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    await asyncio.sleep(rule.delay_seconds())
    return exchange.send(exchange.handle())


async def _throttle(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    return exchange.send(answer({"errors": ["Too many requests"]}, 429), _retry_after(rule.fault))


async def _server_error(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    page = html_page(rule.fault.message, rule.fault.status or 500)
    return exchange.send(page, _retry_after(rule.fault))


async def _hang(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    return await exchange.hang(rule.fault.seconds)


async def _reset_before(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    del rule
    return exchange.reset()


async def _reset_after(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    del rule
    exchange.handle()
    return exchange.reset()


async def _half_body(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    return await exchange.send_half(exchange.handle(), rule.fault.fraction)


async def _wrong_json(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    del rule
    return exchange.send(Answer(200, b'{"orders":[{"order_id":'))


async def _html(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    return exchange.send(html_page(rule.fault.message, rule.fault.status or 200))


async def _error_body(exchange: Exchange, rule: FaultRule) -> web.StreamResponse:
    return exchange.send(answer({"error": rule.fault.message}))


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}


_MAY_WRITE_FIRST = frozenset({"throttle", "server_error", "hang", "wrong_json", "html", "error_body"})

ACTS: dict[str, Act] = {
    "latency": _latency,
    "throttle": _throttle,
    "server_error": _server_error,
    "hang": _hang,
    "reset_before": _reset_before,
    "reset_after": _reset_after,
    "half_body": _half_body,
    "wrong_json": _wrong_json,
    "html": _html,
    "error_body": _error_body,
}
