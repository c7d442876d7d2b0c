"""Sales channels, their settings, and the manifest by which a connector says what its platform can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from domain.budget import Budget
from domain.errors import InputError
from domain.hooks import Topic
from domain.orders import OrderStatus
from domain.periods import Period
from domain.product_source import OMS
from domain.setting_fields import SettingField
from domain.units import LENGTHS, WEIGHTS

WEBHOOK = "webhook"
"""The *Automation* under which a shop posts what changed."""


class StockMode(StrEnum):
    """*Inventory synchronization* of a channel (sales channels, section 5)."""

    OFF = "off"
    REAL_TIME = "real_time"
    SCHEDULE = "schedule"


class ChannelSettings(BaseModel):
    """What an operator sets on a channel. Unknown members are refused.

    ``calls_per_second`` and ``burst`` limit outbound calls over all processes together. ``calls_per_day`` and
    ``calls_per_month`` (calendar windows in ``timezone``) are the API-call budget, ``calls_warn_at`` its warning levels
    as used shares (:class:`domain.budget.Budget`). ``pii_retention_days`` is how long personal data of an order stay
    (sales channels, section 7), ``None`` keeps; ``initial_order_status`` is what the OMS is told of an order that is
    new, ``None`` for the shop's own;
    ``stock_warehouses`` are those whose stock the channel sells, none for all. ``unmapped_sku`` says what becomes of a
    channel's SKU that has no mapping and is not in the account's catalogue: its order waits for a mapping, or it counts
    as the same in the OMS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_version: str = "2.7.0"
    update_order_with_last_shipment: bool = False
    stock_mode: StockMode = StockMode.REAL_TIME
    stock_warehouses: tuple[str, ...] = ()
    stock_buffer: int = Field(default=0, ge=0)
    stock_cap: int | None = Field(default=None, ge=0)
    timezone: str = "UTC"
    unmapped_carrier: Literal["warn", "stop"] = "warn"
    unmapped_sku: Literal["stop", "identity"] = "stop"
    calls_per_second: float = Field(default=10.0, gt=0, le=10_000)
    burst: int = Field(default=20, ge=1, le=10_000)
    import_overlap_seconds: int = Field(default=300, ge=0)
    automation: Literal["recurring", "webhook"] = "recurring"
    pii_retention_days: int | None = Field(default=None, ge=0, le=36_500)
    initial_order_status: OrderStatus | None = None
    units_length: str = "in"
    units_weight: str = "lb"
    calls_per_day: int | None = None
    calls_per_month: int | None = None
    calls_warn_at: tuple[float, ...] = (0.8, 0.95)

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        return _zone(name)

    @field_validator("units_length", "units_weight")
    @classmethod
    def _is_a_unit(cls, unit: str, info: ValidationInfo) -> str:
        return _unit(unit, info.field_name or "")

    @model_validator(mode="after")
    def _is_a_budget(self) -> Self:
        try:
            Budget(per_day=self.calls_per_day, per_month=self.calls_per_month, warn_at=self.calls_warn_at)
        except ValidationError as error:
            first = error.errors()[0]
            name = _BUDGET_NAMES.get(str(first["loc"][0]) if first["loc"] else "", "")
            told = f"the API-call budget cannot be: {name}{first['msg']}".replace("{", "{{").replace("}", "}}")
            raise PydanticCustomError("budget", told) from None
        return self

    @property
    def budget(self) -> Budget | None:
        """The API-call budget; ``None`` where none is set."""
        if self.calls_per_day is None and self.calls_per_month is None:
            return None
        return _budget(self.calls_per_day, self.calls_per_month, self.calls_warn_at)


@lru_cache(maxsize=1024)
def _budget(per_day: int | None, per_month: int | None, warn_at: tuple[float, ...]) -> Budget:
    """Made once and not for each call."""
    return Budget(per_day=per_day, per_month=per_month, warn_at=warn_at)


_BUDGET_NAMES = {"per_day": "calls_per_day: ", "per_month": "calls_per_month: ", "warn_at": "calls_warn_at: "}


class AccountSettings(BaseModel):
    """What is set on an account itself (sales channels, section 1); unknown members are refused.

    ``timezone`` and units are those of people, in which times and sizes are shown; a channel whose timezone is not set
    has the account's. ``master_product_source`` is ``oms``, ``upstream`` or the code of a channel.
    ``pii_retention_days`` holds for orders that come from no channel, and for channels that have no value of their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=200)
    timezone: str = "UTC"
    units_length: str = "cm"
    units_weight: str = "kg"
    master_product_source: str = OMS
    default_warehouse: str | None = Field(default=None, min_length=1, max_length=100)
    default_carrier: str | None = Field(default=None, min_length=1, max_length=100)
    pii_retention_days: int | None = Field(default=None, ge=0, le=36_500)

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        return _zone(name)

    @field_validator("units_length", "units_weight")
    @classmethod
    def _is_a_unit(cls, unit: str, info: ValidationInfo) -> str:
        return _unit(unit, info.field_name or "")


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("timezone", "is no timezone; use a name such as Europe/Berlin") from None


def _unit(unit: str, field: str) -> str:
    known = LENGTHS if field == "units_length" else WEIGHTS
    if unit not in known:
        raise PydanticCustomError("unit", "is no unit here; use one of {known}", {"known": ", ".join(known)})
    return unit


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection to one shop of one account; ``code`` is unique in its account, ``domain`` everywhere.

    ``fault`` says what keeps it from working at all (a token that no key opens); empty when nothing does.
    ``product_source`` is the *Master Product Source* of its account, as :mod:`domain.product_source` has it.
    ``mapped_at`` is when its mappings were changed last, 0 for never; ``sku_mapped`` whether it ever had SKU mappings.
    ``catalogued`` is whether its account has a catalogue (see docs/decisions/011).
    ``default_warehouse`` and ``default_carrier`` are its account's, for orders that come in; ``None`` where not set.
    ``manual_logging`` are the jobs whose API calls are kept, each with the instant at which that ends.
    ``token_version`` grows with each new token. ``renews`` says that its token is renewed by *Authorization Refresh*;
    ``held`` that this is set to None, so that no call may be made (sales channels, section 3).
    ``pushed`` are the jobs that posts of its platform trigger.
    """

    id: str
    account_id: str
    account: str
    code: str
    name: str
    platform: str
    domain: str
    token: SecretStr
    enabled: bool
    settings: ChannelSettings
    fault: str = ""
    mapped_at: int = 0
    product_source: str = OMS
    sku_mapped: bool = False
    catalogued: bool = False
    manual_logging: tuple[tuple[str, datetime], ...] = ()
    token_version: int = 0
    renews: bool = False
    held: bool = False
    default_warehouse: str | None = None
    default_carrier: str | None = None
    pushed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant: what a key sees is one account.

    ``enabled`` tells how it stood when it was read; ``disable_at`` is the set time at which it stops, or stopped.
    ``product_source`` is its *Master Product Source*, a channel by its id (:mod:`domain.product_source`).
    ``catalogued`` is whether the OMS told of any product.
    ``pii_retention_days`` counts where a channel has none, and for orders that come from no channel; ``None`` keeps.
    """

    id: str
    organization_id: str
    code: str
    name: str
    timezone: str
    enabled: bool
    disable_at: datetime | None = None
    product_source: str = OMS
    catalogued: bool = False
    pii_retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectorManifest:
    """What a platform can do; page, API and CLI offer nothing else.

    ``settings`` are all fields that may be set on its channels, in the order to show (:mod:`domain.setting_fields`).
    ``webhooks`` are the topics that it posts, ``topic_header`` the HTTP header in which a post names its own. Where it
    posts nothing, *Webhook* is not offered as *Automation*.
    """

    platform: str
    title: str
    version: Literal["stable", "beta"]
    token: Literal["static", "refreshing"]
    jobs: dict[str, tuple[Period, ...]]
    webhooks: tuple[Topic, ...] = ()
    topic_header: str = ""
    mappings: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    domain_pattern: str = r"^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+$"
    cost_model: str = "calls"
    settings: tuple[SettingField, ...] = ()

    def __post_init__(self) -> None:
        if not self.webhooks:
            object.__setattr__(self, "settings", tuple(_without_webhook(field) for field in self.settings))

    def ensure_automation(self, mode: object) -> None:
        """Check that channels of the platform can have this *Automation*. Raises InputError."""
        if mode == WEBHOOK and not self.webhooks:
            raise InputError(
                f"A {self.title} channel cannot have Webhook as Automation (automation): {self.title} posts nothing to "
                "a hook, so only polling finds what changed. Leave it at recurring.",
                code="webhook_not_offered",
            )

    @property
    def pushed(self) -> frozenset[str]:
        """The jobs that its posts trigger."""
        return frozenset(topic.job for topic in self.webhooks)

    @property
    def fields(self) -> dict[str, SettingField]:
        """The settings by name."""
        return {field.name: field for field in self.settings}

    @property
    def has_locations(self) -> bool:
        """Whether its shops keep stock at locations, to which warehouses are mapped (sales channels, section 4)."""
        return "warehouse" in self.mappings


def _without_webhook(field: SettingField) -> SettingField:
    if field.name != "automation":
        return field
    return replace(field, choices=tuple(choice for choice in field.choices if choice[0] != WEBHOOK))
