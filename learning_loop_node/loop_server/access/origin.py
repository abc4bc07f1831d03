"""Refuses requests that come from where none should: pages of other sites, other machines."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection, Request

from ...errors import ForbiddenError


def refuse_foreign_pages(request: Request) -> None:
    """A page of another site, open in somebody's browser, changes nothing here."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        refuse_foreign_connections(request)


def refuse_foreign_connections(connection: HTTPConnection) -> None:
    """A page of another site does not even connect, where a connection can do all that its login may."""
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None:
        is_foreign = site not in ("same-origin", "none")
    else:
        is_foreign = origin is not None and origin.partition("://")[2] != connection.headers.get("host")
    if is_foreign:
        raise ForbiddenError(f"requests from pages of another origin ({origin}) are refused")


def refuse_strangers(request: HTTPConnection) -> None:
    """Without login, only this machine may come, and only by its own name: a page elsewhere may have another one."""
    if request.client is not None and not is_loopback(request.client.host):
        raise ForbiddenError("this loop is open without login and answers on its own machine only")
    if not is_loopback(request.url.hostname or ""):
        raise ForbiddenError(f"this loop is open without login; call it localhost, not {request.url.hostname}")


def is_from_here(request: Request) -> bool:
    """Whether a request surely comes from this machine, by its own name, and not on behalf of another one."""
    is_forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via"))
    is_here = request.client is not None and is_loopback(request.client.host)
    return is_here and not is_forwarded and is_loopback(request.url.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether an address or name surely means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
