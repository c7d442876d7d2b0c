"""What endpoints that change what belongs to an account share: who asks, a body with a shape, and refusals."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from broker.operations import KeyHolder
from domain.access import Actor, NotAllowed
from domain.envelope import explain
from domain.errors import UnknownName
from domain.settings import StaleVersion
from producers.http.body import read_body
from producers.http.documented import Docs
from producers.http.door import Door
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_SMALL = 65_536
_WRONG = frozenset({"unknown_setting", "unknown_platform", "unknown_job"})
"""Names that stand in a body, not in an address."""


async def actor_of(door: Door, holder: KeyHolder) -> Actor:
    """Who a key is to the rules of access."""
    for account in await door.ask(door.operations.desk.accounts()):
        if account.code == holder.account:
            return Actor.key(holder.actor, account.organization_id, account.id, holder.scopes)
    raise Refusal(404, "unknown_account", "The account of this key is gone.")


async def ask(door: Door, work: Coroutine[Any, Any, T]) -> T:
    """As :meth:`Door.ask`: what is not there is 404, what may not be done 403, what was changed meanwhile 412."""
    try:
        return await door.ask(work)
    except UnknownName as error:
        raise Refusal(422 if error.code in _WRONG else 404, error.code, error.sentence) from None
    except NotAllowed as error:
        raise Refusal(403, error.code, error.sentence, headers={"WWW-Authenticate": "Bearer"}) from None
    except StaleVersion as error:
        raise Refusal(412, error.code, error.sentence) from None


async def body_of(request: Request, door: Door, model: type[M]) -> M:
    """The body of a request as this model.

    Raises:
        Refusal: 408, 413, 400 for no JSON, 422 for another shape.
    """
    element = read_one(await read_body(request, _SMALL, door.limits.body_seconds), door.limits.json_depth)
    if element.error is not None:
        raise element.error
    try:
        return model.model_validate_json(element.body)
    except ValidationError as error:
        raise Refusal(422, "invalid_parameters", f"The body is not valid: {explain(error)}.") from None


def takes(model: type[BaseModel], example: Docs) -> Docs:
    """The ``openapi_extra`` of an endpoint whose body is this model."""
    content = {"application/json": {"schema": model.model_json_schema(), "example": example}}
    return {"requestBody": {"required": True, "content": content}}
