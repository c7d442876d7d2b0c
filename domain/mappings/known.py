"""What a run knows of a channel's carriers: its mappings, and the codes a person said to ignore."""

from __future__ import annotations

from dataclasses import dataclass

from domain.mappings.carrier import CarrierCode, CarrierMappings
from domain.mappings.kinds import Missing


@dataclass(frozen=True, slots=True)
class KnownCarriers:
    """Carrier mappings of a channel, and missing codes that were answered with "ignore"."""

    mappings: CarrierMappings
    ignored: frozenset[Missing] = frozenset()

    def to_channel(self, carrier: str, service: str = "") -> CarrierCode | Missing:
        """The channel's code of an OMS carrier and service, or what is missing."""
        return self.mappings.to_channel(carrier, service)
