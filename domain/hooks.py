"""What a post to a hook is good for: which order it is about, nothing else (Bright Sites API facts, section 8).

Its sender proves nothing but that it knows the path, so the order is read from the shop again.
"""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"[\w.#-]{1,100}")


def order_named(document: Any) -> str | None:
    """The order number of a *show order* document, bare or as member ``order``; ``None`` where there is none."""
    if isinstance(document, dict) and isinstance(document.get("order"), dict):
        document = document["order"]
    named = document.get("order_id") if isinstance(document, dict) else None
    if isinstance(named, bool) or not isinstance(named, int | str):
        return None
    return str(named) if _NUMBER.fullmatch(str(named)) else None
