"""Settings and where each comes from: a channel's own value, its account's default, or what is built in.

Values are kept by name; the period of a job is ``period.<job>``. Nothing here knows who may
change what (:mod:`domain.access`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import ValidationError

from domain.channels import AccountSettings, ChannelSettings
from domain.envelope import explain
from domain.errors import InputError, UnknownName
from domain.jobs import JOB_TYPES
from domain.periods import NEVER, Period
from domain.setting_fields import CHANNEL_FIELDS, PERIOD, SettingField

Values = Mapping[str, Any]
"""Settings by name, each a value as JSON knows it."""
Fields = Mapping[str, SettingField]


class Origin(StrEnum):
    """Where the value that counts comes from."""

    CHANNEL = "channel"
    ACCOUNT = "account"
    BUILT_IN = "built_in"


@dataclass(frozen=True, slots=True)
class Effective:
    """The value that counts, its origin, and what would count if the channel had none of its own (``inherited``)."""

    value: Any
    origin: Origin
    inherited: Any


Resolved = dict[str, Effective]
_RETENTION, _REDACTION = "pii_retention_days", PERIOD + "pii_redaction"


@dataclass(frozen=True, slots=True)
class Changes:
    """What somebody wants changed: values to put, names to clear so that the default holds again.

    ``expected`` is the version that was looked at; ``None`` changes whatever is there.
    """

    put: Values = field(default_factory=dict)
    clear: frozenset[str] = frozenset()
    expected: int | None = None

    def __post_init__(self) -> None:
        both = sorted(self.clear & self.put.keys())
        if both:
            raise InputError(f"Put or clear {', '.join(both)}, not both.", code="invalid_settings")
        if not self.put and not self.clear:
            raise InputError("Nothing to change: put a value, or clear one.", code="invalid_settings")

    @property
    def names(self) -> list[str]:
        """All that is to change, sorted."""
        return sorted({*self.put, *self.clear})

    def applied(self, own: Values) -> dict[str, Any]:
        """The own values afterwards."""
        kept = {name: value for name, value in own.items() if name not in self.clear}
        return {**kept, **self.put}


class StaleVersion(InputError):
    """Somebody else changed the settings since they were looked at."""

    code = "changed_meanwhile"


def ensure_version(expected: int | None, found: int, of: str) -> None:
    """Raises StaleVersion where ``expected`` is given and not ``found``."""
    if expected is not None and expected != found:
        raise StaleVersion(
            f"The settings of {of} were changed meanwhile: they have version {found}, not {expected}. Look at them "
            f"again, then change them."
        )


@cache
def built_in() -> dict[str, Any]:
    """What holds where nobody set anything, periods last; no job runs by itself."""
    jobs = {PERIOD + job.name: NEVER.text for job in JOB_TYPES.values() if job.scheduled}
    return {**flattened(ChannelSettings()), **jobs}


def flattened(settings: ChannelSettings) -> dict[str, Any]:
    """The settings by name, as JSON knows their values."""
    return settings.model_dump(mode="json")


def settings_of(values: Values) -> ChannelSettings:
    """The settings of a channel from values by name; periods are left out.

    Raises:
        InputError: code ``invalid_settings`` for a value that cannot be, ``unknown_period`` for a period.
    """
    for name, value in values.items():
        if name.startswith(PERIOD):
            Period(str(value))
    try:
        return ChannelSettings.model_validate(
            {name: value for name, value in values.items() if not name.startswith(PERIOD)}
        )
    except ValidationError as error:
        raise InputError(
            f"These settings cannot be: {explain(error)}. Nothing was changed.", code="invalid_settings"
        ) from None


def account_settings_of(values: Values) -> AccountSettings:
    """The settings of an account itself. Raises InputError, code ``invalid_settings``."""
    try:
        return AccountSettings.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(
            f"These settings cannot be: {explain(error)}. Nothing was changed.", code="invalid_settings"
        ) from None


def normal(values: Values) -> dict[str, Any]:
    """Channel settings as they are kept, such as ``true`` for ``"yes"``. Raises as :func:`settings_of`."""
    made = flattened(settings_of({**_beside(values), **values}))
    return {name: value if name.startswith(PERIOD) else made[name] for name, value in values.items()}


def _beside(values: Values) -> Values:
    """What is built in beside these. A limit of one budget alone must not be judged against another's."""
    return {name: value for name, value in built_in().items() if name not in values and not name.startswith(PERIOD)}


def resolve(own: Values, defaults: Values, fields: Fields | None = None, *, night: str | None = None) -> Resolved:
    """Each setting's value that counts, by name, periods included.

    ``fields`` are what the channel's platform offers, ``None`` for everything: a default that it does not offer
    does not hold. ``night`` is the period at which personal data are erased where nobody put another and a threshold
    counts.
    """
    made: Resolved = {}
    for name, usual in built_in().items():
        nightly = name == _REDACTION and made[_RETENTION].value is not None
        plain = night if nightly and night is not None else usual
        holds = name in defaults and _holds(name, defaults[name], fields)
        inherited = defaults[name] if holds else plain
        origin = Origin.CHANNEL if name in own else Origin.ACCOUNT if holds else Origin.BUILT_IN
        made[name] = Effective(own.get(name, inherited), origin, inherited)
    return made


def _holds(name: str, value: Any, fields: Fields | None) -> bool:
    if fields is None:
        known = CHANNEL_FIELDS.get(name)
        return known is None or known.inherits
    return name in fields and fields[name].inherits and fields[name].allows(value)


def ensure_offered(changes: Changes, fields: Fields, whose: str) -> None:
    """Check that all that is to change is offered, and each value among what its field offers.

    ``whose`` says whom the fields belong to, such as ``A Bright Sites channel``.

    Raises:
        UnknownName: code ``unknown_setting``: there is no such setting anywhere; the nearest is named.
        InputError: code ``setting_not_offered`` or ``invalid_settings``, with the reason.
    """
    for name in changes.names:
        if name not in fields:
            raise _not_there(name, fields, whose)
        made = fields[name]
        value = changes.put.get(name)
        if name in changes.put and not made.allows(value):
            offered = ", ".join(choice for choice, _ in made.choices)
            code = "period_not_allowed" if made.kind == "period" else "invalid_settings"
            if made.kind == "period":
                Period(str(value))
            raise InputError(
                f"{whose} does not offer {value!r} for {made.label} ({name}); it offers: {offered}.", code=code
            )
        if name in changes.put and value is None and not made.empty:
            raise InputError(f"{made.label} ({name}) cannot be empty. Clear it to go back to the default.",
                             code="invalid_settings")  # fmt: skip


def _not_there(name: str, fields: Fields, whose: str) -> InputError:
    exists = name in CHANNEL_FIELDS or name in built_in() or name in AccountSettings.model_fields
    if name.startswith(PERIOD) and name.removeprefix(PERIOD) in JOB_TYPES:
        title = JOB_TYPES[name.removeprefix(PERIOD)].title
        return InputError(f"{whose} does not run {title!r} on a schedule.", code="not_schedulable")
    if exists:
        return InputError(f"{whose} has no setting {name!r}; see which it has with its settings.",
                          code="setting_not_offered")  # fmt: skip
    near = difflib.get_close_matches(name, list(fields), n=1)
    hint = f" Did you mean {near[0]}?" if near else f" Settings: {', '.join(fields)}."
    return UnknownName(f"There is no setting {name!r}.{hint}", code="unknown_setting")


def differences(before: Values, after: Values, names: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """From each name whose value differs to ``before`` and ``after``; ``None`` for what was not there."""
    looked = names if names is not None else {*before, *after}
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in sorted(looked)
        if before.get(name) != after.get(name)
    }
