"""What endpoints that change what belongs to an account share: refusals with their status."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from domain.errors import UnknownName
from domain.settings import StaleVersion
from producers.http.documented import Docs
from producers.http.door import Door
from producers.http.problems import Refusal

T = TypeVar("T")

_WRONG = frozenset({"unknown_setting", "unknown_platform", "unknown_job"})
"""Names that stand in a body, not in an address."""


async def ask(door: Door, work: Coroutine[Any, Any, T]) -> T:
    """As :meth:`Door.ask`: what is not there is 404, what was changed meanwhile 412."""
    try:
        return await door.ask(work)
    except UnknownName as error:
        raise Refusal(422 if error.code in _WRONG else 404, error.code, error.sentence) from None
    except StaleVersion as error:
        raise Refusal(412, error.code, error.sentence) from None


def with_example(docs: Docs, example: Docs) -> Docs:
    """The ``openapi_extra`` of an endpoint with a JSON body, with an example of one."""
    docs["requestBody"]["content"]["application/json"]["example"] = example
    return docs
