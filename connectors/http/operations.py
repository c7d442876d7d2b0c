"""What a connector declares about each call it can make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Repeat = Literal["read", "set", "unsafe"]
"""How a call may be repeated: it changes nothing (``read``); it sets absolute values or reads before it
writes, so a second time changes nothing more (``set``); a second time may do it twice (``unsafe``)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a platform's API.

    ``route`` is the path with ``{name}`` for what varies; it is what logs show. ``title`` completes the
    sentence "… was refused by the shop". A good answer is JSON and, where ``expects`` is set, has one of
    these members. ``not_found`` is the code of a 404.
    """

    name: str
    title: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    route: str
    repeat: Repeat
    expects: tuple[str, ...] = ()
    not_found: str = "not_found"

    @property
    def writes(self) -> bool:
        """Whether the call changes something in the shop."""
        return self.repeat != "read"
