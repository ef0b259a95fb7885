"""Where a service may listen: on this machine only, unless somebody has to show a key."""

from __future__ import annotations

import ipaddress
import socket

from aisle.errors import AccessError


def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this machine alone; a name that cannot be found does not."""
    name = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        pass
    if not name:  # "" is every address
        return False
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def check_bind(host: str, protected: bool) -> None:
    """See that a service which others can reach asks them for a key.

    Args:
        host: Name or address to listen on.
        protected: Whether keys or an identity provider exist, ``Security.protected``.

    Raises:
        AccessError: It would be open to other machines.
    """
    if not protected and not is_loopback(host):
        raise AccessError(
            f"listening on {host or 'every address'!r} lets other machines in, and there are no keys",
            allowed="127.0.0.1, ::1 or localhost without keys; any address with keys",
            fix="aisle keys create DIR --name NAME --scope search, or leave out --host",
        )
