"""The codes nearest to a missing one, to suggest them to a person (sales channels, section 4)."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator

_COMPARED = 2_000
_SEPARATORS = str.maketrans("", "", " -_./")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def nearest(code: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Up to ``most`` of the ``known`` codes that ``code`` may have been meant as, the nearest first.

    Near are codes that differ by one letter (another, left out, added, or swapped with the next), by two from five
    letters on, by three from ten letters on, and share at least one. Letter case, spaces, ``-_./`` and leading zeros
    do not count; they only decide between codes that are equally near. Empty where nothing is near. The order of
    ``known`` does not matter.

    Takes a few tenths of a second for 50,000 codes. Each of them is tested only for its length and for pairs of
    letters in common; only what passes is compared letter by letter. Codes one letter away are all found. Those
    further away are looked for only while there are fewer than ``most``, among the 2,000 with the most pairs.
    """
    codes = set(known)
    loose, bare = _loose(code), _bare(code)
    searches = [_Search(loose, [(_loose(each), each) for each in codes])]
    with_zeros = codes if loose != bare else [each for each in codes if "0" in each]
    searches.append(_Search(bare, [(_bare(each), each) for each in with_zeros]))
    found: dict[str, int] = {}
    for reach in range(1, _reach(loose) + 1):
        for search in searches:
            for each, distance in search.within(reach):
                found[each] = min(distance, found.get(each, distance))
        if len(found) >= most:
            break
    return tuple(heapq.nsmallest(most, found, key=lambda each: (found[each], _unlike(code, each), each)))


def _loose(code: str) -> str:
    folded = code.casefold()
    return folded.translate(_SEPARATORS) or folded


def _bare(code: str) -> str:
    return _loose(_LEADING_ZEROS.sub("", code))


def _reach(text: str) -> int:
    """How many letters a text may differ by and still be near."""
    return 1 if len(text) < 5 else 2 if len(text) < 10 else 3


def _unlike(left: str, right: str) -> int:
    return abs(len(left) - len(right)) + sum(one != other for one, other in zip(left, right, strict=False))


class _Search:
    """The codes that may be near ``wanted``; ``pool`` has them as they are compared and as they are written."""

    def __init__(self, wanted: str, pool: Iterable[tuple[str, str]]) -> None:
        self.wanted = wanted
        self.reach = _reach(wanted)
        self.pairs = [wanted[at : at + 2] for at in range(len(wanted) - 1)]
        shortest, longest = len(wanted) - self.reach, len(wanted) + self.reach
        tested = (
            (sum([pair in text for pair in self.pairs]), text, code)
            for text, code in pool
            if shortest <= len(text) <= longest
        )
        self.pool = [entry for entry in tested if entry[0] >= self._least(self.reach)]

    def _least(self, reach: int) -> int:
        # A swap breaks three pairs of letters; no other difference breaks more.
        return len(self.pairs) - 3 * reach

    def within(self, reach: int) -> Iterator[tuple[str, int]]:
        """Codes at most so many letters away, with how many."""
        reach = min(reach, self.reach)
        tried = [entry for entry in self.pool if entry[0] >= self._least(reach)]
        if reach == 1:
            # One difference leaves the beginning or the end as it is; a swap may straddle the middle.
            middle = (len(self.wanted) - 1) // 2
            begin, end = self.wanted[:middle], self.wanted[middle + 1 :]
            tried = [entry for entry in tried if entry[1].startswith(begin) or entry[1].endswith(end)]
        else:
            tried = heapq.nlargest(_COMPARED, tried)
        for _, text, code in tried:
            distance = _distance(self.wanted, text, reach)
            if distance <= reach and distance < max(len(self.wanted), len(text)):
                yield code, distance


def _distance(left: str, right: str, most: int) -> int:
    """How many letters differ (optimal string alignment); ``most + 1`` where it is more than ``most``."""
    far = most + 1
    if abs(len(left) - len(right)) > most:
        return far
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        older, before, row = before, row, [i] + [far] * len(right)
        # Further from the diagonal than this more than ``most`` letters were added or left out.
        for j in range(max(1, i - most), min(len(right), i + most) + 1):
            row[j] = min(before[j - 1] + (letter != right[j - 1]), before[j] + 1, row[j - 1] + 1)
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == right[j - 1]:
                row[j] = min(row[j], older[j - 2] + 1)
        if min(row) > most:
            return far
    return min(row[-1], far)
