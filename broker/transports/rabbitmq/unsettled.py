"""Which deliveries of a channel are in hand, and how to acknowledge them with few frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable


class Unsettled:
    """Delivery tags in the order of arrival. A tag is settled once; twice would close the channel."""

    def __init__(self) -> None:
        self._tags: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tags)

    def delivered(self, tag: int) -> None:
        """Note a delivery."""
        self._tags[tag] = None

    def settle(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """The acknowledgements to send as (tag, multiple): one for the unbroken beginning, single ones behind
        a gap.
        """
        wanted = {tag for tag in tags if tag in self._tags}
        head = 0
        count = 0
        while self._tags and (first := next(iter(self._tags))) in wanted:
            del self._tags[first]
            wanted.discard(first)
            head = first
            count += 1
        for tag in wanted:
            del self._tags[tag]
        return [(head, count > 1)] * (count > 0) + [(tag, False) for tag in sorted(wanted)]

    def drop(self, tags: Iterable[int]) -> list[int]:
        """Those of ``tags`` that were in hand, which they are no longer."""
        held = [tag for tag in tags if tag in self._tags]
        for tag in held:
            del self._tags[tag]
        return held
