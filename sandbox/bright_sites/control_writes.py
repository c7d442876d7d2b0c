"""The control API under `/_sandbox/`: buyers, faults, outage, tokens, settings, reset."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.bright_sites.buyer_stream import BuyerStream
from sandbox.bright_sites.buyers import SoldOutError, Wish
from sandbox.bright_sites.control import PREFIX, reply
from sandbox.bright_sites.faults import Fault
from sandbox.bright_sites.shop import Shop
from sandbox.bright_sites.statuses import STATUSES
from sandbox.bright_sites.tokens import Token
from sandbox.bright_sites.wire import Json

Handler = Callable[[web.Request], Awaitable[web.Response]]
Model = TypeVar("Model", bound=BaseModel)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BuyForm(_Form):
    """POST buy: `count` at once, or `per_second` for `seconds`; the rest is what each buyer wants."""

    count: int = Field(default=1, ge=1, le=100_000)
    per_second: float | None = Field(default=None, gt=0, le=2_000)
    seconds: float = Field(default=10, gt=0)
    skus: list[str] | None = Field(default=None, min_length=1)
    lines: int | None = Field(default=None, ge=1)
    email: str | None = None
    guest: bool | None = None
    gift_certificate: bool | None = None
    status: str = Field(default="new", pattern="|".join(f"^{status}$" for status in STATUSES))

    def wish(self) -> Wish:
        """What each of these buyers wants."""
        skus = tuple(self.skus) if self.skus else None
        return Wish(skus, self.lines, self.email, self.guest, self.gift_certificate, self.status)


class OutageForm(_Form):
    """POST outage: for so many seconds, or until lifted."""

    seconds: float | None = Field(default=None, gt=0)


class TokenForm(_Form):
    """POST tokens: `add` needs `value`; `revoke` and `expire` need only the label."""

    action: str = Field(default="add", pattern="^(add|revoke|expire)$")
    label: str = Field(min_length=1)
    value: str | None = Field(default=None, min_length=1)
    permission: str = "read"
    expires_at: datetime | None = None


class ControlWrites:
    """The half that changes something."""

    def __init__(self, shop: Shop, stream: BuyerStream) -> None:
        self._shop = shop
        self._stream = stream

    def routes(self) -> list[web.RouteDef]:
        """The routes of this half; bad input is answered 400 with a sentence, an unknown name 404."""
        return [
            web.post(f"{PREFIX}/buy", _told(self.buy)),
            web.delete(f"{PREFIX}/buy", _told(self.stop_buying)),
            web.post(f"{PREFIX}/faults", _told(self.add_fault)),
            web.delete(f"{PREFIX}/faults", _told(self.clear_faults)),
            web.delete(f"{PREFIX}/faults/{{id}}", _told(self.clear_faults)),
            web.post(f"{PREFIX}/outage", _told(self.start_outage)),
            web.delete(f"{PREFIX}/outage", _told(self.lift_outage)),
            web.post(f"{PREFIX}/tokens", _told(self.tokens)),
            web.post(f"{PREFIX}/settings", _told(self.settings)),
            web.post(f"{PREFIX}/reset", _told(self.reset)),
        ]

    async def buy(self, request: web.Request) -> web.Response:
        """POST buy."""
        form = await _form(request, BuyForm)
        if form.per_second is not None:
            self._stream.start(form.per_second, form.seconds, form.wish())
            return reply({"per_second": form.per_second, "seconds": form.seconds}, 202)
        return reply({"order_ids": self._shop.buy(form.count, form.wish())}, 201)

    async def stop_buying(self, request: web.Request) -> web.Response:
        """DELETE buy: end the streams of buyers."""
        del request
        return reply({"stopped": self._stream.stop()})

    async def add_fault(self, request: web.Request) -> web.Response:
        """POST faults: one rule."""
        return reply(self._shop.faults.add(await _form(request, Fault)).as_document(), 201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """DELETE faults or faults/<id>."""
        return reply({"cleared": self._shop.faults.clear(request.match_info.get("id"))})

    async def start_outage(self, request: web.Request) -> web.Response:
        """POST outage."""
        self._shop.faults.start_outage((await _form(request, OutageForm)).seconds)
        return reply({"outage": True})

    async def lift_outage(self, request: web.Request) -> web.Response:
        """DELETE outage."""
        del request
        self._shop.faults.lift_outage()
        return reply({"outage": False})

    async def tokens(self, request: web.Request) -> web.Response:
        """POST tokens: add, revoke or expire."""
        form = await _form(request, TokenForm)
        if form.action == "add":
            if form.value is None:
                raise ValueError("value is needed to add a token")
            self._shop.tokens.add(Token(form.label, form.value, form.permission, _aware(form.expires_at)))
        elif form.action == "revoke":
            self._shop.tokens.revoke(form.label)
        else:
            self._shop.tokens.expire(form.label, _aware(form.expires_at))
        return reply({"tokens": [token.as_document() for token in self._shop.tokens.all()]})

    async def settings(self, request: web.Request) -> web.Response:
        """POST settings: any live setting by its name."""
        return reply(self._shop.change_settings(await _document(request)).as_document())

    async def reset(self, request: web.Request) -> web.Response:
        """POST reset: the shop begins again with the same settings."""
        del request
        self._stream.stop()
        self._shop.reset()
        return reply({"reset": True})


def _told(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            return reply({"error": f"{place}: {first['msg']}" if place else first["msg"]}, 400)
        except LookupError as error:
            return reply({"error": str(error)}, 404)
        except SoldOutError as error:
            return reply({"error": str(error)}, 409)
        except ValueError as error:
            return reply({"error": str(error)}, 400)

    return guarded


async def _form(request: web.Request, model: type[Model]) -> Model:
    return model.model_validate(await _document(request))


async def _document(request: web.Request) -> Json:
    raw = await request.read()
    try:
        document = json.loads(raw or b"{}")
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("the body must be a JSON object")
    return document


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError("expires_at needs a time zone")
    return moment
