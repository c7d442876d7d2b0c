"""Which IP addresses a call may go to: the public internet and nothing else.

The networks are written out, not taken from :mod:`ipaddress` properties, because those differ between the
Python versions Towpath runs on. Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6890; RFC
6598 (shared space of carriers); RFC 6052 and 8215 (NAT64); RFC 3056 (6to4); RFC 4380 (Teredo); RFC 4291
(mapped addresses).
"""

from __future__ import annotations

import ipaddress

_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

_GLOBAL_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, with Teredo and ORCHID
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether the address, as text, lies on the public internet; anything that is no address does not.

    All of IPv6 outside ``2000::/3`` is refused, which covers mapped and compatible IPv4, NAT64, unique local,
    link-local, site-local, multicast, loopback and unspecified addresses at once. So is everything with a
    zone.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_UNICAST_6:
        return False
    return not any(parsed in network for network in _NOT_PUBLIC_6)
