"""Fault rules: which calls go wrong, how, and how often."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sandbox.bright_sites.wire import Json

FaultKind = Literal[
    "latency",
    "throttle",
    "server_error",
    "hang",
    "reset_before",
    "reset_after",
    "half_body",
    "wrong_json",
    "html",
    "error_body",
]


class Fault(BaseModel):
    """One fault rule as a caller writes it; pydantic's ValidationError names what is wrong.

    Match: `method`, `path` (a regular expression searched in the path), `token` (a label); None matches all.
    `times` is how often it strikes (None: until cleared), `probability` is drawn with its own `seed`.
    `after_write` lets the shop handle the call, and keep what it wrote, before the fault shows.
    `ms`..`max_ms` belong to latency, `seconds` to hang, `status` to server_error (500-599) and html,
    `retry_after` to throttle and server_error (seconds, or any text), `fraction` to half_body, `message` to
    every text shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    token: str | None = None
    times: int | None = Field(default=1, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    after_write: bool = False
    ms: float = Field(default=100, ge=0)
    max_ms: float | None = None
    seconds: float = Field(default=30, gt=0)
    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: int | str | None = None
    fraction: float = Field(default=0.5, ge=0, lt=1)
    message: str = "The shop is having trouble"

    @field_validator("path")
    @classmethod
    def _path_compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _ranges_fit(self) -> Fault:
        if self.max_ms is not None and self.max_ms < self.ms:
            raise ValueError("max_ms must not be below ms")
        if self.kind == "server_error" and self.status is not None and self.status < 500:
            raise ValueError("status of a server_error must be from 500 to 599")
        return self


@dataclass(slots=True)
class FaultRule:
    """A fault in force: its id and how often it may still strike."""

    id: str
    fault: Fault
    left: int | None
    struck: int = 0
    random: Random = field(default_factory=Random)
    pattern: re.Pattern[str] | None = None

    def strikes(self, method: str, path: str, token: str | None) -> bool:
        """Whether it hits this call; a hit is counted."""
        fault = self.fault
        if self.left == 0 or (fault.method and fault.method.upper() != method):
            return False
        if (fault.token and fault.token != token) or (self.pattern and not self.pattern.search(path)):
            return False
        if fault.probability < 1 and self.random.random() >= fault.probability:
            return False
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True

    def delay_seconds(self) -> float:
        """The latency of this strike."""
        longest = self.fault.max_ms
        return (self.fault.ms if longest is None else self.random.uniform(self.fault.ms, longest)) / 1000

    def as_document(self) -> Json:
        """The rule with its counts, ready for JSON."""
        return {"id": self.id, "left": self.left, "struck": self.struck, **self.fault.model_dump()}


class Faults:
    """The rules in force, and the whole-shop outage."""

    def __init__(self) -> None:
        self._rules: dict[str, FaultRule] = {}
        self._made = 0
        self._outage_until: float | None = None

    def add(self, fault: Fault) -> FaultRule:
        """Put a rule in force; of several that match a call the oldest strikes."""
        self._made += 1
        rule = FaultRule(f"fault-{self._made}", fault, fault.times, random=Random(fault.seed))
        rule.pattern = re.compile(fault.path) if fault.path else None
        self._rules = {**self._rules, rule.id: rule}
        return rule

    def all(self) -> list[FaultRule]:
        """The rules in force, spent ones too."""
        return list(self._rules.values())

    def clear(self, rule_id: str | None = None) -> int:
        """Lift one rule, or all; answers how many. LookupError for an unknown id."""
        if rule_id is None:
            count, self._rules = len(self._rules), {}
            return count
        if rule_id not in self._rules:
            raise LookupError(f"no fault rule has the id {rule_id!r}")
        self._rules = {each: rule for each, rule in self._rules.items() if each != rule_id}
        return 1

    def pick(self, method: str, path: str, token: str | None) -> FaultRule | None:
        """The rule that strikes this call, if any."""
        for rule in self._rules.values():
            if rule.strikes(method, path, token):
                return rule
        return None

    def start_outage(self, seconds: float | None = None) -> None:
        """Abort every API connection for so many seconds, or until lifted."""
        self._outage_until = float("inf") if seconds is None else monotonic() + seconds

    def lift_outage(self) -> None:
        """Answer again."""
        self._outage_until = None

    @property
    def outage(self) -> bool:
        """Whether the whole shop is out right now."""
        return self._outage_until is not None and monotonic() < self._outage_until
