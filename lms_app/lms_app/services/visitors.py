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
