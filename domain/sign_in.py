"""How long a session lasts and how often one may try to sign in: rules without I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

IDLE = timedelta(hours=1)
"""A session that was not used for so long is over (NIST SP 800-63B-4, section 2.2.3)."""
LONGEST = timedelta(hours=24)
"""A session is over after so long however much it is used (same section)."""
FORGOTTEN = timedelta(hours=24)
"""Failures are forgotten when none came for so long."""


@dataclass(frozen=True, slots=True)
class TryLimit:
    """How many failures cost nothing; each further one doubles the wait, from a second up to ``longest``."""

    free: int
    longest: timedelta

    def wait_after(self, failures: int) -> timedelta:
        """How long nobody may try again after so many failures in a row."""
        if failures < self.free:
            return timedelta(0)
        # The exponent is bounded too: nobody needs a number with a thousand digits.
        return min(timedelta(seconds=2 ** min(failures - self.free, 30)), self.longest)


PER_NAME = TryLimit(5, timedelta(minutes=5))
"""Of one e-mail address. Short enough at its longest that nobody can lock somebody else out for a day."""
PER_ADDRESS = TryLimit(20, timedelta(minutes=15))
"""Of one network address, behind which there may be a whole office."""


def address_group(host: str) -> str:
    """The network address by which tries are counted: an IPv6 one by its /64, which one customer has as a whole."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
