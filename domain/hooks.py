"""What a post to a hook is good for: which job it triggers and what it is about, nothing else.

Its sender proves nothing but that it knows the path, so what it tells of is read from the shop again (Bright Sites API
facts, section 8; Shopify API facts, section 7).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from domain.errors import InputError
from domain.jobs import JOB_TYPES
from domain.periods import Period

_NUMBER = re.compile(r"[\w.#-]{1,100}")
_LONGEST = 200
NET = timedelta(hours=1)
"""How often polling goes on at most where posts tell what changed (sales channels, section 3: *slow safety net*)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a platform posts: its name there, and the job that a post of it triggers.

    ``member`` is where the posted document names its subject (an order number, a product, a SKU), in the document or
    in its member ``within``; empty where it names none that is needed.
    """

    name: str
    job: str
    member: str = ""
    within: str = ""

    def hint(self, document: Any) -> Hint:
        """What a posted document is good for.

        Raises:
            InputError: code ``order_missing``, ``product_missing`` or ``stock_missing``: it does not name its subject.
        """
        kind = JOB_TYPES[self.job].subject
        subject = self._subject(document, kind) if self.member else None
        if self.member and subject is None:
            raise InputError(
                f"The post names no {kind}: send the {kind} as JSON, with its number as {self.member!r}.",
                code=f"{kind}_missing",
            )
        return Hint(self.job, subject)

    def _subject(self, document: Any, kind: str) -> str | None:
        if self.within and isinstance(document, dict) and isinstance(document.get(self.within), dict):
            document = document[self.within]
        named = document.get(self.member) if isinstance(document, dict) else None
        if isinstance(named, bool) or not isinstance(named, int | str):
            return None
        if kind == "order":
            return str(named) if _NUMBER.fullmatch(str(named)) else None
        return str(named) if 0 < len(str(named)) <= _LONGEST and str(named).isprintable() else None


@dataclass(frozen=True, slots=True)
class Hint:
    """The job that a post triggers, and what it is about where its topic tells."""

    job: str
    subject: str | None = None


def topic_named(name: str | None, topics: Sequence[Topic], platform: str, header: str = "") -> Topic:
    """The topic of a post; without a name the only one that the platform has.

    ``platform`` is its title, ``header`` the one by which it names the topic of a post, if it has one.

    Raises:
        InputError: code ``unknown_topic`` for one that the platform does not declare, ``topic_missing`` where none is
            named and there are several.
    """
    known = ", ".join(each.name for each in topics) or "nothing"
    if not name:
        if len(topics) == 1:
            return topics[0]
        how = f"in header {header} or at the end of the path" if header else "at the end of the path"
        raise InputError(f"The post names no topic: name it {how}. {platform} posts: {known}.", code="topic_missing")
    for topic in topics:
        if topic.name == name:
            return topic
    raise InputError(
        f"{platform} posts nothing of topic {name[:100]!r} that is wanted here; it posts: {known}. Take the topic off "
        "this hook in the shop.",
        code="unknown_topic",
    )


def safety_net(period: Period, factor: int = 1) -> int:
    """By what factor the waits between ticks grow where polling is only a safety net: those that begin an hour run.

    ``factor`` is the one that something else asks for (:func:`domain.budget.stretch`): the answer is the least multiple
    of an hour that is not below it. Periods of an hour and more, and daily ones, stay at ``factor``.
    """
    if period.every is None or period.every >= NET:
        return factor
    hour = NET // period.every
    return hour * -(-factor // hour)
