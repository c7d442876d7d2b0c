"""Small JSON bodies: read within bounds and checked by a model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from domain.envelope import explain
from producers.http.body import read_body
from producers.http.door import Door
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

Model = TypeVar("Model", bound=BaseModel)
_SMALL = 16_384


async def asked(request: Request, door: Door, model: type[Model]) -> Model:
    """The body as a model.

    Raises:
        MalformedEvent: it is no JSON.
        Refusal: 408 or 413 as :func:`read_body`, 422 where it has not the shape of the model; values are not repeated.
    """
    element = read_one(await read_body(request, _SMALL, door.limits.body_seconds), door.limits.json_depth)
    if element.error is not None:
        raise element.error
    try:
        return model.model_validate_json(element.body)
    except ValidationError as error:
        raise Refusal(422, "invalid_parameters", f"The body is not valid: {explain(error)}.") from None
