"""Checks of request parameters: types only, in the order declared, up to the first bad one (facts §1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sandbox.bright_sites.answers import InvalidError
from sandbox.bright_sites.wire import Json

Check = Callable[[object, str], object]
"""Takes a value and its parameter path, gives the cleaned value, raises InvalidError."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Param:
    """One declared parameter."""

    name: str
    check: Check
    required: bool = False
    nullable: bool = False


def invalid(path: str, rule: str) -> InvalidError:
    """The refusal of one parameter, in the vendor's wording."""
    return InvalidError(f"Invalid parameter '{path}': {rule}", path)


def number(value: object, path: str) -> object:
    """Any JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(path, "Must be a number")
    return value


def integer(value: object, path: str) -> object:
    """A JSON number without a fraction."""
    cleaned = number(value, path)
    if isinstance(cleaned, float):
        if not cleaned.is_integer():
            raise invalid(path, "Must be a number")
        return int(cleaned)
    return cleaned


def boolean(value: object, path: str) -> object:
    """true, false, 1 or 0."""
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise invalid(path, "Must be one of: true, false, 1, 0")


def text(limit: int | None = None) -> Check:
    """A string, of at most `limit` characters."""
    rule = "Must be a String" + (f" (max {limit} characters)" if limit else "")

    def check(value: object, path: str) -> object:
        if not isinstance(value, str) or (limit is not None and len(value) > limit):
            raise invalid(path, rule)
        return value

    return check


def one_of(values: Sequence[str]) -> Check:
    """One of these strings."""

    def check(value: object, path: str) -> object:
        if value not in values:
            raise invalid(path, f"Must be one of: {', '.join(values)}")
        return value

    return check


def day(value: object, path: str) -> object:
    """`YYYY-MM-DD`."""
    return _date(value, path, _DAY, "Must be a date (YYYY-MM-DD)")


def day_or_time(value: object, path: str) -> object:
    """`YYYY-MM-DD` or `YYYY-MM-DD hh:mm:ss`; the day is kept."""
    return _date(value, path, _DAY_OR_TIME, "Must be a date (YYYY-MM-DD hh:mm:ss)")


def _date(value: object, path: str, pattern: re.Pattern[str], rule: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise invalid(path, rule)
    try:
        return datetime.fromisoformat(value).date().isoformat()
    except ValueError:
        raise invalid(path, rule) from None


def hash_of(*params: Param) -> Check:
    """A JSON object with these parameters; undeclared keys are dropped."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, dict):
            raise invalid(path, "Must be a Hash")
        return _members(value, path, params)

    return check


def array_of(check: Check, rule: str = "Must be an Array") -> Check:
    """A JSON array whose elements all pass `check`."""

    def check_all(value: object, path: str) -> object:
        if not isinstance(value, list):
            raise invalid(path, rule)
        return [check(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check_all


def integers(value: object, path: str) -> object:
    """A JSON array of whole numbers."""
    if not isinstance(value, list) or any(isinstance(item, bool) or not isinstance(item, int) for item in value):
        raise invalid(path, "Must be an Array of Integer")
    return value


def read_root(body: Json, root: str, check: Check) -> object:
    """The cleaned value under the root key; InvalidError when it is missing or wrong."""
    if root not in body:
        raise InvalidError(f"Missing parameter '{root}'", root)
    return check(body[root], root)


def read_hash(body: Json, root: str, params: Sequence[Param]) -> Json:
    """The cleaned object under the root key, with only the declared parameters."""
    return cast(Json, read_root(body, root, hash_of(*params)))


def _members(value: Json, path: str, params: Sequence[Param]) -> Json:
    cleaned: Json = {}
    for param in params:
        member = f"{path}[{param.name}]"
        if param.name not in value:
            if param.required:
                raise InvalidError(f"Missing parameter '{member}'", member)
            continue
        given = value[param.name]
        if given is None and param.nullable:
            cleaned[param.name] = None
            continue
        cleaned[param.name] = param.check(given, member)
    return cleaned
