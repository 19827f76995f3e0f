"""Whom limits take for one visitor.

Pure: nothing here needs a site.
"""

import ipaddress


def counted(address: str | None) -> str:
    """Return an IPv4 address as it is, and 64 bits of an IPv6 address: anybody has all addresses of such a network."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


def network(visitor: str) -> str:
    """Return the network, all of which one owner may have, that a visitor as counted is in: 24 bits, or 48 of IPv6."""
    try:
        found = ipaddress.ip_network(visitor)
    except ValueError:
        return visitor
    return str(found.supernet(new_prefix=24 if found.version == 4 else 48))
