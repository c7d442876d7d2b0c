"""The fields of settings: how people know each, where it stands on the page, and what may be put into it.

Labels and groups are those of techOMS (sales channels, section 2). A manifest picks from :data:`CHANNEL_FIELDS` what
its platform supports (:func:`offered`); the values themselves are checked by :mod:`domain.channels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from domain.jobs import JOB_TYPES
from domain.orders import OrderStatus
from domain.periods import Period
from domain.units import LENGTHS, WEIGHTS

Kind = Literal["text", "yes_no", "whole", "number", "choice", "codes", "numbers", "timezone", "period"]


class Group(StrEnum):
    """The part of the page in which a field stands."""

    GENERAL = "General"
    PRIVACY = "Privacy"
    ADVANCED = "Advanced settings"
    SYSTEM = "Other System Settings"


@dataclass(frozen=True, slots=True)
class SettingField:
    """One field. ``choices`` are (value, label); empty where other values may be. ``least`` and ``most`` are inclusive.

    ``empty`` tells whether there may be no value (JSON null), ``inherits`` whether an account may set a default.
    """

    name: str
    label: str
    group: Group
    section: str
    kind: Kind
    help: str
    choices: tuple[tuple[str, str], ...] = ()
    least: float | None = None
    most: float | None = None
    empty: bool = False
    inherits: bool = True

    def allows(self, value: object) -> bool:
        """Whether the field offers this value; limits are not looked at. A daily period may be at any time."""
        if not self.choices or value is None:
            return True
        known = {choice for choice, _ in self.choices}
        return value in known or (DAILY in known and str(value).startswith("daily@"))


PERIOD = "period."
"""Begins the name of the setting that says how often a job runs."""
DAILY = "daily@HH:MM"
"""Stands among the choices of a period for *daily at any local time*."""
_ORDERS, _STOCK, _CALLS, _UNITS = "Order options", "Inventory options", "API calls", "Timezone and units"
_PERIOD_LABEL = "Main Job Period"
_ADVANCED = Group.ADVANCED


def _plain(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((str(value), value.replace("_", " ").capitalize()) for value in values)


def _same(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((value, value) for value in values)


_FIELDS = (
    SettingField(
        "pii_retention_days", "PII retention threshold", Group.PRIVACY, "", "whole",
        "Days after which personal data of an order is erased, counted from shipped or cancelled; empty keeps it.",
        least=0, most=36_500, empty=True,
    ),
    SettingField(
        "api_version", "API version", _ADVANCED, _CALLS, "choice", "The version of the shop's API that is spoken.",
        inherits=False,
    ),
    SettingField(
        "update_order_with_last_shipment", "Update order with last shipment information", _ADVANCED, _ORDERS, "yes_no",
        "Whether an order in the shop is also given the carrier and tracking number of its newest shipment.",
    ),
    SettingField(
        "initial_order_status", "Initial order status", _ADVANCED, _ORDERS, "choice",
        "The status that the OMS is told of an order that is new to it; empty tells the shop's own.",
        choices=_plain(OrderStatus), empty=True,
    ),
    SettingField(
        "unmapped_carrier", "Unmapped carrier", _ADVANCED, _ORDERS, "choice",
        "What happens to a shipment whose carrier, or an order whose shipping method, has no mapping.",
        choices=(("warn", "Warn and go on"), ("stop", "Stop until it is mapped")),
    ),
    SettingField(
        "unmapped_sku", "Unmapped SKU", _ADVANCED, _ORDERS, "choice",
        "What happens to an order with a SKU that has no mapping and is not in the catalogue.",
        choices=(("stop", "Stop until it is mapped"), ("identity", "Take it as the same SKU of the OMS")),
    ),
    SettingField(
        "import_overlap_seconds", "Import overlap", _ADVANCED, _ORDERS, "whole",
        "Seconds before the last successful import from which the next one reads again.", least=0,
    ),
    SettingField(
        "stock_mode", "Inventory synchronization", _ADVANCED, _STOCK, "choice", "When stock is sent to the shop.",
        choices=(
            ("off", "Do not Synchronize"), ("real_time", "Real-Time"), ("schedule", "Synchronize on schedule"),
        ),
    ),
    SettingField(
        "stock_warehouses", "Warehouses", _ADVANCED, _STOCK, "codes",
        "The warehouses whose stock the channel sells; none named means all.",
    ),
    SettingField(
        "stock_buffer", "Stock buffer", _ADVANCED, _STOCK, "whole", "Pieces of each SKU that are held back.", least=0,
    ),
    SettingField(
        "stock_cap", "Stock cap", _ADVANCED, _STOCK, "whole",
        "The most pieces of a SKU that are shown in the shop; empty shows all.", least=0, empty=True,
    ),
    SettingField(
        "timezone", "Timezone", _ADVANCED, _UNITS, "timezone",
        "The shop's timezone, for dates that are sent without an offset.",
    ),
    SettingField(
        "units_length", "Units of Measurement: length", _ADVANCED, _UNITS, "choice",
        "The unit in which the shop's API speaks of lengths.", choices=_same(LENGTHS), inherits=False,
    ),
    SettingField(
        "units_weight", "Units of Measurement: weight", _ADVANCED, _UNITS, "choice",
        "The unit in which the shop's API speaks of weights.", choices=_same(WEIGHTS), inherits=False,
    ),
    SettingField(
        "calls_per_second", "Calls per second", _ADVANCED, _CALLS, "number",
        "How fast the shop is called, over all processes together.", least=0.000_001, most=10_000,
    ),
    SettingField(
        "burst", "Burst", _ADVANCED, _CALLS, "whole", "How many calls may be made at once after a pause.",
        least=1, most=10_000,
    ),
    SettingField(
        "calls_per_day", "API-call budget of a day", _ADVANCED, _CALLS, "whole",
        "The most API calls of a day; empty sets no limit.", least=1, most=1_000_000_000, empty=True,
    ),
    SettingField(
        "calls_per_month", "API-call budget of a month", _ADVANCED, _CALLS, "whole",
        "The most API calls of a month; empty sets no limit.", least=1, most=1_000_000_000, empty=True,
    ),
    SettingField(
        "calls_warn_at", "Warnings of the API-call budget", _ADVANCED, _CALLS, "numbers",
        "Used shares of the budget, ascending, at which it is told: 0.8 is 80 per cent.",
    ),
    SettingField(
        "automation", "Automation", Group.SYSTEM, "", "choice",
        "Whether the shop is asked again and again, or posts what changed and is asked at most hourly, to be safe.",
        choices=(("recurring", "Recurring"), ("webhook", "Webhook")),
    ),
)  # fmt: skip


def period_field(job: str, allowed: Iterable[Period]) -> SettingField:
    """The *Main Job Period* of a job, with the periods that a platform allows."""
    title = JOB_TYPES[job].title.title()
    section = f"{title} Settings" if job == "authorization_refresh" else title
    choices = dict.fromkeys(DAILY if each.text.startswith("daily@") else each.text for each in allowed)
    return SettingField(
        PERIOD + job, _PERIOD_LABEL, Group.SYSTEM, section, "period", "How often the job runs by itself.",
        choices=tuple((text, "None" if text == "none" else text) for text in choices),
    )  # fmt: skip


CHANNEL_FIELDS: dict[str, SettingField] = {field.name: field for field in _FIELDS}
"""All fields that a channel of some platform may have, but for the periods of its jobs."""

ACCOUNT_FIELDS: dict[str, SettingField] = {
    field.name: field
    for field in (
        SettingField("name", "Name", Group.GENERAL, "", "text", "How people know the account.", inherits=False),
        replace(
            CHANNEL_FIELDS["timezone"], group=Group.GENERAL, section="",
            help="Where the account's clocks are: times are shown in it and daily jobs follow it.",
        ),
        replace(
            CHANNEL_FIELDS["units_length"], group=Group.GENERAL, section="",
            help="In which lengths are shown; events have them in mm.",
        ),
        replace(
            CHANNEL_FIELDS["units_weight"], group=Group.GENERAL, section="",
            help="In which weights are shown; events have them in g.",
        ),
        SettingField(
            "master_product_source", "Master Product Source", Group.GENERAL, "", "text",
            "Who is the origin of products: oms, upstream (an external system), or the code of a channel.",
            inherits=False,
        ),
        SettingField(
            "default_warehouse", "Default warehouse", Group.GENERAL, "", "text",
            "The warehouse that the OMS is told of an imported order that names none.",
            empty=True, inherits=False,
        ),
        SettingField(
            "default_carrier", "Default carrier", Group.GENERAL, "", "text",
            "The carrier that the OMS is told of an imported order whose shipping method is not mapped.",
            empty=True, inherits=False,
        ),
        replace(
            CHANNEL_FIELDS["pii_retention_days"],
            help="Days after which personal data of orders is erased, those that come from no channel included; "
            "empty keeps it.",
        ),
    )
}  # fmt: skip
"""The settings of an account itself."""


def offered(
    names: Iterable[str], jobs: Mapping[str, tuple[Period, ...]], **choices: Iterable[str]
) -> tuple[SettingField, ...]:
    """The fields of a platform: these ``names``, and the period of each job that may run on a schedule.

    ``choices`` narrow what a field offers; one that has no choices yet gets these.
    """
    made = []
    for name in names:
        field = CHANNEL_FIELDS[name]
        if name in choices:
            wanted = tuple(choices[name])
            labels = dict(field.choices)
            field = replace(field, choices=tuple((value, labels.get(value, value)) for value in wanted))
        made.append(field)
    periods = (period_field(job, allowed) for job, allowed in jobs.items() if any(not each.never for each in allowed))
    return (*made, *periods)


def default_fields() -> dict[str, SettingField]:
    """The settings of channels for which an account may hold a default, by name; every job may have a period."""
    plain = [field for field in _FIELDS if field.inherits and field.name not in ACCOUNT_FIELDS]
    every = [
        replace(period_field(job.name, ()), choices=()) for job in JOB_TYPES.values() if job.scheduled
    ]  # fmt: skip
    return {field.name: field for field in (*plain, *every)}
