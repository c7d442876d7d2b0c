"""Carrier mappings: exact before pattern, and one way back out (sales channels, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from domain.errors import InputError
from domain.mappings.kinds import (
    Column,
    Conflict,
    MappingKind,
    Missing,
    Side,
    duplicates,
    listed,
    optional_code,
    required_code,
    row_names,
    shown,
    unique,
)

_TEXT = re.compile(r"((?:[^\\:]|\\.)*)(?::(.*))?", re.DOTALL)
_ANSWERS = {"": False, "yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}

Value = TypeVar("Value")


def _yes_or_no(cell: str) -> bool:
    answer = _ANSWERS.get(cell.strip().lower())
    if answer is None:
        raise InputError(f"{shown(cell)} is no answer. Expected is yes or no.", code="invalid_mapping")
    return answer


def _fold(code: str) -> str:
    return code.strip().casefold()


def _is_pattern(code: str) -> bool:
    return code.rstrip().endswith("*")


@dataclass(frozen=True, slots=True)
class CarrierCode:
    """A carrier and a service of it; an empty service stands for any."""

    carrier: str
    service: str = ""

    @property
    def text(self) -> str:
        """One text for both, such as ``UPS:Ground``; :meth:`of` reads it back."""
        carrier = re.sub(r"([\\:])", r"\\\1", self.carrier)
        return f"{carrier}:{self.service}" if self.service else carrier

    @classmethod
    def of(cls, text: str) -> CarrierCode:
        """The code that :attr:`text` came from."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return cls(text)
        return cls(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL), match[2] or "")

    @property
    def folded(self) -> tuple[str, str]:
        """What two codes share that mean the same: trimmed, without letter case."""
        return _fold(self.carrier), _fold(self.service)

    @property
    def is_pattern(self) -> bool:
        """Whether it ends with ``*`` and so stands for many codes."""
        return _is_pattern(self.carrier) or _is_pattern(self.service)


@dataclass(frozen=True, slots=True)
class CarrierMapping:
    """A carrier code of the channel and the OMS code it stands for.

    The channel's carrier and service may end with ``*`` to fit all codes that begin so; an empty service fits any.
    ``primary`` marks the row that goes back out where several channel codes lead to one OMS code. Raises InputError
    for an empty carrier and for an overlong code.
    """

    channel_carrier: str
    channel_service: str
    oms_carrier: str
    oms_service: str
    primary: bool = False

    columns: ClassVar[tuple[Column, ...]] = (
        Column("channel_carrier", required_code),
        Column("channel_service", optional_code, required=False),
        Column("oms_carrier", required_code),
        Column("oms_service", optional_code, required=False),
        Column("primary", _yes_or_no, lambda primary: "yes" if primary else "no", required=False),
    )

    def __post_init__(self) -> None:
        required_code(self.channel_carrier)
        optional_code(self.channel_service)
        required_code(self.oms_carrier)
        optional_code(self.oms_service)

    @property
    def channel(self) -> CarrierCode:
        """The channel's code or pattern."""
        return CarrierCode(self.channel_carrier, self.channel_service)

    @property
    def oms(self) -> CarrierCode:
        """The code of the OMS."""
        return CarrierCode(self.oms_carrier, self.oms_service)

    @property
    def key(self) -> tuple[str, ...]:
        """The channel's carrier and service, trimmed and without letter case."""
        return self.channel.folded

    @property
    def code(self) -> str:
        """The channel's code as one text."""
        return self.channel.text


def same_oms_code(left: object, right: object) -> bool:
    """Whether both are carrier mappings that lead to one OMS code."""
    if isinstance(left, CarrierMapping) and isinstance(right, CarrierMapping):
        return left.oms.folded == right.oms.folded
    return False


class _BestFirst(Generic[Value]):
    """Values under codes and patterns; :meth:`fitting` gives exact, then longest pattern, then the empty code."""

    def __init__(self) -> None:
        self._exact: dict[str, Value] = {}
        self._patterns: dict[str, Value] = {}

    def setdefault(self, code: str, value: Value) -> Value:
        if _is_pattern(code):
            return self._patterns.setdefault(code[:-1], value)
        return self._exact.setdefault(code, value)

    def fitting(self, code: str) -> Iterator[Value]:
        beginnings = (code[:end] for end in range(len(code), -1, -1))
        found = (self._exact.get(code), *map(self._patterns.get, beginnings), self._exact.get("") if code else None)
        return (value for value in found if value is not None)


class CarrierMappings:
    """The carrier mappings of one channel, indexed once for both ways.

    All codes are compared trimmed and without letter case. Raises InputError where two rows map the same channel
    code. Rows that :func:`check` refuses for another reason are allowed, and never guessed from: a code that several
    rows could go back out by, without one Primary among them, is missing.
    """

    def __init__(self, rows: Iterable[CarrierMapping] = ()) -> None:
        kept = tuple(rows)
        unique(kept)
        self._inward: _BestFirst[_BestFirst[CarrierMapping]] = _BestFirst()
        for row in kept:
            carrier, service = row.channel.folded
            self._inward.setdefault(carrier, _BestFirst()).setdefault(service, row)
        self._outward = {code: _way_out(kept, found) for code, found in _ways_out(kept).items()}

    def to_oms(self, carrier: str, service: str = "") -> CarrierCode | Missing:
        """The OMS code of a channel's carrier and service.

        The carrier decides first: the row that names it, then the longest pattern that fits. Among the rows of that
        carrier the service decides likewise, and a row with an empty service comes last.
        """
        asked = CarrierCode(carrier.strip(), service.strip())
        folded = asked.folded
        for services in self._inward.fitting(folded[0]):
            for row in services.fitting(folded[1]):
                return row.oms
        return Missing(MappingKind.CARRIER, Side.CHANNEL, asked.text)

    def to_channel(self, carrier: str, service: str = "") -> CarrierCode | Missing:
        """The channel's code of an OMS carrier and service: of exactly both, else of the carrier with any service."""
        asked = CarrierCode(carrier.strip(), service.strip())
        folded = asked.folded
        for code in (folded, (folded[0], "")):
            if code in self._outward:
                row = self._outward[code]
                return row.channel if row else Missing(MappingKind.CARRIER, Side.OMS, asked.text)
        return Missing(MappingKind.CARRIER, Side.OMS, asked.text)


def _ways_out(rows: Sequence[CarrierMapping]) -> dict[tuple[str, str], list[int]]:
    """Positions of the rows that may go back out, by OMS code; a pattern is no code and never does."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        if not row.channel.is_pattern:
            found.setdefault(row.oms.folded, []).append(position)
    return found


def _way_out(rows: Sequence[CarrierMapping], positions: Sequence[int]) -> CarrierMapping | None:
    if len(positions) == 1:
        return rows[positions[0]]
    primary = [rows[position] for position in positions if rows[position].primary]
    return primary[0] if len(primary) == 1 else None


def check(rows: Sequence[CarrierMapping], names: Sequence[str] | None = None) -> tuple[Conflict, ...]:
    """All that keeps these rows from being the carrier mappings of a channel; empty where they may be saved.

    ``names`` says what sentences call each row; ``row 1``, ``row 2`` and so on where it is left out.
    """
    names = names or row_names(rows)
    found = [*duplicates(rows, names)]
    for position, row in enumerate(rows):
        found += [Conflict((position,), sentence) for sentence in _own_faults(row, names[position])]
    for positions in _ways_out(rows).values():
        if _way_out(rows, positions) is None:
            sentence = _which([rows[at] for at in positions], [names[at] for at in positions])
            found.append(Conflict(tuple(positions), sentence))
    return tuple(found)


def _own_faults(row: CarrierMapping, name: str) -> Iterator[str]:
    if row.primary and row.channel.is_pattern:
        yield (
            f"The channel code {shown(row.code)} of {name} is a pattern and can never go back out, so it cannot be "
            f"Primary. Answer no for Primary."
        )
    if row.oms.is_pattern:
        yield (
            f"The OMS code {shown(row.oms.text)} of {name} ends with '*'. Only channel codes can be patterns: write "
            f"the whole OMS code."
        )


def _which(rows: Sequence[CarrierMapping], names: Sequence[str]) -> str:
    primary = sum(row.primary for row in rows)
    return (
        f"OMS carrier {shown(rows[0].oms.text)} has {len(rows):,} channel codes ({listed(names)}) and "
        f"{f'{primary:,} of them are' if primary else 'none of them is'} Primary: which one goes back out? "
        f"Mark exactly one as Primary."
    )
