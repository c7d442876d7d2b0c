"""Sales channels, their settings, and the manifest by which a connector says what its platform can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from domain.periods import Period


class StockMode(StrEnum):
    """*Inventory synchronization* of a channel (sales channels, section 5)."""

    OFF = "off"
    REAL_TIME = "real_time"
    SCHEDULE = "schedule"


class ChannelSettings(BaseModel):
    """What an operator sets on a channel. Unknown members are refused.

    ``calls_per_second`` and ``burst`` limit outbound calls over all processes together. ``pii_retention_days`` is how
    long personal data of an order stay; without one, the account's counts (sales channels, section 7).
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
    calls_per_second: float = Field(default=10.0, gt=0, le=10_000)
    burst: int = Field(default=20, ge=1, le=10_000)
    import_overlap_seconds: int = Field(default=300, ge=0)
    pii_retention_days: int | None = Field(default=None, ge=0, le=36_500)

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PydanticCustomError("timezone", "is no timezone; use a name such as Europe/Berlin") from None


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection to one shop of one account; ``code`` is unique in its account, ``domain`` everywhere.

    ``fault`` says what keeps it from working at all (a token that no key opens); empty when nothing does.
    ``mapped_at`` is when its mappings were changed last, 0 for never. ``token_version`` grows with each new token.
    ``renews`` says that its token is renewed by *Authorization Refresh*; ``held`` that this is set to None, so that no
    call may be made (sales channels, section 3).
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
    token_version: int = 0
    renews: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant: what a key sees is one account.

    ``enabled`` tells how it stood when it was read; ``disable_at`` is the set time at which it stops, or stopped.
    ``pii_retention_days`` counts where a channel has none, and for orders that come from no channel; ``None`` keeps.
    """

    id: str
    organization_id: str
    code: str
    name: str
    timezone: str
    enabled: bool
    disable_at: datetime | None = None
    pii_retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectorManifest:
    """What a platform can do; page, API and CLI offer nothing else."""

    platform: str
    title: str
    version: Literal["stable", "beta"]
    token: Literal["static", "refreshing"]
    jobs: dict[str, tuple[Period, ...]]
    webhooks: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    domain_pattern: str = r"^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+$"
    cost_model: str = "calls"
