"""Bright Sites: manifest, calls, translation to orders and back."""

from connectors.bright_sites.channel_state import ChannelState, new_state
from connectors.bright_sites.manifest import MANIFEST
from connectors.bright_sites.operations import OPERATIONS
from connectors.bright_sites.shop import BrightSitesShop

__all__ = ["MANIFEST", "OPERATIONS", "BrightSitesShop", "ChannelState", "new_state"]
