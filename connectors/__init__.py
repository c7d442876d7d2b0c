"""One folder per platform, and the shared outbound HTTP transport."""

from connectors.registry import MANIFESTS, Connectors

__all__ = ["MANIFESTS", "Connectors"]
