"""From a command to the operator surface and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from console.cli.failing import Refused
from console.cli.seams import Doors, Opening
from domain.errors import InputError

if TYPE_CHECKING:
    from broker.operations import Operations

T = TypeVar("T")


def doors_of(context: typer.Context) -> Doors:
    """What the wiring gave to the program."""
    doors = context.obj
    assert isinstance(doors, Doors)  # noqa: S101 - the program puts it there itself
    return doors


def look(context: typer.Context, work: Callable[[Operations], Awaitable[T]]) -> T:
    """Run a piece of work that only reads.

    Raises:
        TowpathError: as the surface said it.
    """
    return asyncio.run(_with_operations(doors_of(context), work, Opening.LOOK))


def change(context: typer.Context, work: Callable[[Operations], Awaitable[T]]) -> T:
    """Run a piece of work that changes something.

    Raises:
        Refused: the input breaks a rule or names something that does not exist.
        TowpathError: everything else the surface said.
    """
    try:
        return asyncio.run(_with_operations(doors_of(context), work, Opening.CHANGE))
    except InputError as error:
        raise Refused(error.sentence, code=error.code) from error


def examine(context: typer.Context, work: Callable[[Operations], Awaitable[T]]) -> T:
    """Run a piece of work that looks at the message broker too. Raises TowpathError as :func:`look`."""
    return asyncio.run(_with_operations(doors_of(context), work, Opening.EXAMINE))


async def _with_operations(doors: Doors, work: Callable[[Operations], Awaitable[T]], opening: Opening) -> T:
    async with doors.open_operations(opening) as operations:
        return await work(operations)
