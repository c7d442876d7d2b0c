"""What a run knows of a channel's mappings, and of the codes a person said to ignore."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.mappings.carrier import CarrierCode, CarrierMappings
from domain.mappings.kinds import Missing
from domain.mappings.methods import ShippingMethods
from domain.mappings.sku import ChannelSku, ResolvedSku, SkuMappings


@dataclass(frozen=True, slots=True)
class KnownCarriers:
    """Carrier mappings of a channel, and missing codes that were answered with "ignore".

    ``methods`` are the same mappings by the name of the shop's shipping method.
    """

    mappings: CarrierMappings
    ignored: frozenset[Missing] = frozenset()
    methods: ShippingMethods = field(default_factory=ShippingMethods)

    def to_channel(self, carrier: str, service: str = "") -> CarrierCode | Missing:
        """The channel's code of an OMS carrier and service, or what is missing."""
        return self.mappings.to_channel(carrier, service)


@dataclass(frozen=True, slots=True)
class KnownSkus:
    """The SKU mappings that concern what a run asked about.

    ``catalogue`` are those of the SKUs asked about that stand in the account's catalogue; ``None`` where an unmapped
    SKU is the same in the OMS without being looked up: the account has no catalogue, or the channel is set so.
    """

    mappings: SkuMappings
    catalogue: frozenset[str] | None = None

    def to_oms(self, channel_sku: str, quantity: int) -> ResolvedSku | Missing:
        """The OMS SKU and quantity of a channel SKU, or what is missing."""
        return self.mappings.resolve_to_oms(channel_sku, quantity, self._has)

    def to_channel(self, oms_sku: str) -> tuple[ChannelSku, ...] | Missing:
        """The channel SKUs of an OMS SKU, or what is missing. What the OMS itself names exists there."""
        return self.mappings.resolve_to_channel(oms_sku, lambda _: True)

    def _has(self, sku: str) -> bool:
        return self.catalogue is None or sku in self.catalogue


SAME_SKUS = KnownSkus(SkuMappings())
"""Of a channel without SKU mappings in an account without a catalogue: all SKUs are the same on both sides."""
