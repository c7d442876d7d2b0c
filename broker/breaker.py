"""Breakers, of a channel and of its operations: strikes close them, time makes them due, a probe opens them again.

Pure arithmetic over monotonic seconds; who waits, who is told and what is stored is the business of
:mod:`broker.gates`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WHOLE = ""
"""In place of an operation: the channel as a whole."""
STRIKES_TO_CLOSE = 3
PROBES = 3
"""Calls let through when a closed breaker is due; one that comes back well opens it."""
SAME_SECONDS = 0.5
"""A shop that is down is left alone for a second at least: a closure that ends within half a second of the known one
is the known one, told by another clock."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What closes a breaker, for how long, for the how many-th time in a row; of one operation, or of the whole channel
    where ``operation`` is empty.
    """

    cause: str
    seconds: float
    sentence: str
    operation: str = ""
    closings: int = 1

    @property
    def words(self) -> str:
        """The reason as people read it; it names the operation where only that is closed."""
        if not self.operation:
            return self.sentence
        return f"The shop fails at {self.operation}: this call is held back, all others go on. Last: {self.sentence}"


@dataclass(slots=True)
class Breaker:
    """What one process knows of one breaker. It is open while ``closing`` is ``None``; else closed until
    ``closed_until`` and after that due: a few calls probe.
    """

    strikes: int = 0
    closing: Closure | None = None
    closed_until: float = 0.0
    probes: int = 0
    probes_begun: int = 0

    @property
    def closings(self) -> int:
        """How often in a row it closed."""
        return self.closing.closings if self.closing else 0

    @property
    def crowded(self) -> bool:
        """Whether as many calls probe as may: the others wait for what they find."""
        return self.probes_begun >= PROBES

    def strike(self, *, probed: bool) -> bool:
        """Count a failed call: whether it must close now.

        One bad resource must not pass for a shop that is down: of several probes under way the last one decides.
        """
        self.strikes += 1
        return (probed if self.closing else self.strikes >= STRIKES_TO_CLOSE) and not self.probes

    def close(self, closing: Closure, now: float) -> None:
        """Close. What is under way then is no probe any more."""
        self.closing, self.closed_until = closing, now + closing.seconds
        self.probes = self.probes_begun = 0

    def learn(self, told: Closure, now: float) -> bool:
        """Take over what another process closed: whether it was news."""
        if now + told.seconds <= self.closed_until + SAME_SECONDS:
            return False
        self.close(told, now)
        return True


@dataclass(slots=True)
class Breakers:
    """What one process knows of the breakers of one channel."""

    whole: Breaker = field(default_factory=Breaker)
    troubled: dict[str, Breaker] = field(default_factory=dict)
    """Operations that failed lately or are closed."""
    suspect: str = WHOLE
    """The operation that closed last, where no call of the channel went well since."""

    @property
    def disturbed(self) -> bool:
        """Whether anything but an open gate is known of."""
        return self.whole.closing is not None or bool(self.troubled)

    def prober(self, operation: str) -> Breaker:
        """Whose probe a call is where one is due: a closed operation probes for itself, another for the channel."""
        one = self.troubled.get(operation)
        return one if one is not None and one.closing else self.whole

    def begin(self, operation: str) -> None:
        """A call begins, as a probe where its breaker is closed."""
        prober = self.prober(operation)
        if prober.closing:
            prober.probes += 1
            prober.probes_begun += 1

    def end(self, operation: str) -> Breaker | None:
        """A call came back: the breaker whose probe it was, if it was one."""
        for breaker in (self.troubled.get(operation), self.whole):
            if breaker is not None and breaker.probes:
                breaker.probes -= 1
                return breaker
        return None

    def give_back(self, prober: Breaker | None) -> None:
        """The probe of an operation learned nothing of it: another call of it may."""
        if prober is not None and prober is not self.whole:
            prober.probes_begun -= 1
