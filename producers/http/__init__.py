"""The HTTP door: events in, look-ups, health and metrics."""

from producers.http.application import create_app
from producers.http.limits import HttpLimits
from producers.http.serving import serve

__all__ = ["HttpLimits", "create_app", "serve"]
