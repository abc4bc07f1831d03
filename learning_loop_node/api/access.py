"""Which pages, open in somebody's browser, may use a process."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.types import Scope

from ..errors import ForbiddenError

HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing; what they answer, a page elsewhere cannot read."""


class Origins:
    """Decides by the header `Origin`, which browsers send and programs do not.

    Without a list, pages of the same host may come, from any port. With one (`http://host:port`, separated by commas),
    only those in it, and pages of the same host if that is an address: a name elsewhere can be made to lead here. `*`
    lets every page in.
    """

    def __init__(self, listed: str = "") -> None:
        self._listed = frozenset(entry.strip().rstrip("/").lower() for entry in listed.split(",") if entry.strip())

    def check(self, scope: Scope) -> None:
        """Raise `ForbiddenError` for a request of a page elsewhere that could change something."""
        if scope["method"] in HARMLESS:
            return
        headers = scope["headers"]
        origin = next((value for name, value in headers if name == b"origin"), None)
        if origin is None:
            return
        hosts = [value.decode("latin-1") for name, value in headers if name in (b"host", b"x-forwarded-host")]
        if not self._is_allowed(origin.decode("latin-1"), hosts):
            raise ForbiddenError(
                f"pages of {origin.decode('latin-1')[:100]} may not do that; list it in NODE_ALLOWED_ORIGINS"
            )

    def allows_events(self, origin: str, environ: Mapping[str, Any]) -> bool:
        """Whether a page of this origin may connect with Socket.IO; the shape is that of engine.io."""
        hosts = [environ[name] for name in ("HTTP_HOST", "HTTP_X_FORWARDED_HOST") if name in environ]
        return origin is None or self._is_allowed(origin, hosts)

    def _is_allowed(self, origin: str, hosts: list[str]) -> bool:
        origin = origin.lower()
        if "*" in self._listed or origin in self._listed:
            return True
        page = _name_of(origin)
        is_same = page is not None and any(_name_of(f"//{host}") == page for host in hosts)
        return is_same and (not self._listed or _is_address(str(page)))


def _name_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
