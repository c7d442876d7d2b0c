"""The shop itself: memory, tokens, faults, buyers and ledger behind one door; needs no HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from threading import RLock
from typing import Any

from sandbox.bright_sites.answers import Answer, ApiError, BadRequestError, NotFoundError, failure_answer
from sandbox.bright_sites.asking import Ask, Body, Incoming, Query, QueryMap, read_body
from sandbox.bright_sites.buyers import Buyers, Wish
from sandbox.bright_sites.catalogue import fill_catalogue
from sandbox.bright_sites.faults import Faults
from sandbox.bright_sites.ledger import CallRecord, Ledger
from sandbox.bright_sites.memory import Clock, Memory
from sandbox.bright_sites.order_documents import order_document
from sandbox.bright_sites.push import push_orders
from sandbox.bright_sites.routes import Found, Router
from sandbox.bright_sites.settings import ShopSettings
from sandbox.bright_sites.tokens import READ, READ_WRITE, Token, Tokens
from sandbox.bright_sites.wire import Json, dumps, system_clock

UNKNOWN_ROUTE = "unknown"


class Shop:
    """A Bright Sites shop with memory. All methods may be called from any thread.

    `clock` gives aware datetimes and decides every time the shop shows.
    """

    def __init__(self, settings: ShopSettings | None = None, clock: Clock = system_clock) -> None:
        self.lock = RLock()
        self._clock = clock
        self._router = Router()
        self._open(settings or ShopSettings())

    def reset(self, settings: ShopSettings | None = None) -> None:
        """Begin again: new catalogue, no orders, empty ledger, first tokens, no faults."""
        with self.lock:
            self._open(settings or self.memory.settings)

    def _open(self, settings: ShopSettings) -> None:
        self.ledger = Ledger()
        self.memory = Memory(settings, self._clock, self.ledger)
        self.faults = Faults()
        self.tokens = Tokens(self._clock)
        self.tokens.add(Token("read-write", settings.read_write_token, READ_WRITE))
        self.tokens.add(Token("read-only", settings.read_only_token, READ))
        fill_catalogue(self.memory)
        self._buyers = Buyers(self.memory)

    @property
    def settings(self) -> ShopSettings:
        """The settings in force."""
        return self.memory.settings

    def change_settings(self, changes: dict[str, Any]) -> ShopSettings:
        """Change live settings; ValueError names a setting that cannot change or does not fit."""
        with self.lock:
            self.memory.settings = self.memory.settings.with_changes(changes)
            return self.memory.settings

    def buy(self, count: int = 1, wish: Wish | None = None) -> list[int]:
        """Let `count` buyers order; answers the order ids. LookupError or SoldOutError as Buyers.buy."""
        with self.lock:
            placed = [self._buyers.buy(wish or Wish()).id for _ in range(count)]
        if self.settings.push_url:
            self.push(placed)
        return placed

    def push(self, order_ids: Sequence[int]) -> None:
        """Post orders to `push_url`, as the *Push Orders* add-on does by itself when they are placed, or somebody at
        the shop by hand. Returns at once; LookupError when one is unknown.
        """
        push_orders(self.settings.push_url, [self.order(each) for each in order_ids], self._pushed)

    def _pushed(self, document: Json, status: int | str) -> None:
        with self.lock:
            self.ledger.effect("order_pushed", None, document["order_id"], None, {"status": status})

    def order(self, order_id: int) -> Json:
        """The full order in the newest version's form; LookupError when unknown."""
        with self.lock:
            order = self.memory.orders.get(order_id)
            if order is None:
                raise LookupError(f"the shop has no order {order_id}")
            version = max(_version_numbers(each) for each in self.settings.versions)
            document: Json = json.loads(dumps(order_document(order, self.settings, version)))
            return document

    def stock(self) -> dict[str, int]:
        """Inventory by final SKU."""
        with self.lock:
            return {row.final_sku: row.inventory for row in self.memory.shown_rows()}

    def open_call(self, incoming: Incoming) -> CallRecord:
        """Book a call at its arrival. The token's value is never booked, only its label."""
        found = self._find(incoming)
        route = found.route.template if found else UNKNOWN_ROUTE
        query: dict[str, Sequence[str]] = {
            name: ["***"] if name == "token" else list(values) for name, values in incoming.query.items()
        }
        with self.lock:
            label = self.tokens.label_of(incoming.token)
            return self.ledger.open(incoming.method, incoming.path, route, query, label)

    def close_call(self, record: CallRecord, status: int | str) -> None:
        """Book how a call ended."""
        with self.lock:
            self.ledger.close(record, status)

    def answer(self, incoming: Incoming, body: Body, record: CallRecord) -> Answer:
        """Handle one booked call; every refusal is an answer in the error shape of the settings."""
        with self.lock:
            try:
                return self._handle(incoming, body, record)
            except ApiError as failure:
                return failure_answer(failure, self.memory.settings.error_shape)

    def call(self, method: str, path: str, body: object = None, *, query: QueryMap | None = None) -> Answer:
        """One API call in-process with the read/write token, booked like any other but free of faults."""
        incoming = Incoming(method, path, query or {}, self.settings.read_write_token)
        record = self.open_call(incoming)
        given = read_body(b"" if body is None else dumps(body).encode())
        record.body = given.document
        reply = self.answer(incoming, given, record)
        self.close_call(record, reply.status)
        return reply

    def _handle(self, incoming: Incoming, body: Body, record: CallRecord) -> Answer:
        version = incoming.path.split("/", 3)[2].removeprefix("v")
        if version not in self.settings.versions:
            raise NotFoundError(f"API version {version} does not exist")
        found = self._find(incoming)
        self.tokens.admit(incoming.token, writes=found.route.writes if found else False)
        if found is None:
            raise NotFoundError(f"No such path: {incoming.method} {incoming.path}")
        given = _object(body) if found.route.writes else {}
        ask = Ask(found.ids, Query(incoming.query), given, _version_numbers(version), record)
        return found.route.operation(self.memory, ask)

    def _find(self, incoming: Incoming) -> Found | None:
        return self._router.find(incoming.method, incoming.path.rstrip("/").split("/")[3:])


def _object(body: Body) -> Json:
    if not body.readable:
        raise BadRequestError("The body is not valid JSON")
    if body.document is None:
        return {}
    if not isinstance(body.document, dict):
        raise BadRequestError("The body must be a JSON object")
    return body.document


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
