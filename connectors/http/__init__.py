"""The shared outbound HTTP transport: guarded addresses, deadlines, classified errors, recorded calls."""

from connectors.http.caller import Caller
from connectors.http.endpoint import Endpoint, build_endpoint
from connectors.http.limits import AllowedHosts, HttpLimits, allowed_hosts
from connectors.http.operations import Operation, Repeat
from connectors.http.transport import GuardedTransport

__all__ = [
    "AllowedHosts",
    "Caller",
    "Endpoint",
    "GuardedTransport",
    "HttpLimits",
    "Operation",
    "Repeat",
    "allowed_hosts",
    "build_endpoint",
]
