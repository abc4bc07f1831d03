"""Whether the port of the node is free, or a node answers there."""

from __future__ import annotations

import errno
import socket

import aiohttp

from ..client.failures import FOREIGN
from ..client.http import timeout_of
from .finding import Verdict, error, ok

ASK_S = 3.0


async def check_port(host: str, port: int) -> Verdict:
    """`host` is the address to listen on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as failure:
            return await _taken(failure, host, port)
    return ok("is free: no node runs there")


async def _taken(failure: OSError, host: str, port: int) -> Verdict:
    match failure.errno:
        case errno.EACCES:
            return error(
                "may not be used by this user",
                "choose a port from 1024 (NODE_PORT, --port), or let the container or systemd map it",
            )
        case errno.EADDRNOTAVAIL:
            return error("is no address of this machine", "listen on 0.0.0.0 (NODE_HOST), or on one of its addresses")
        case errno.EADDRINUSE:
            name = await _node_at("127.0.0.1" if host in ("", "0.0.0.0") else host, port)
            if name is not None:
                return ok(f"a node answers there: {name}")
            return error(
                "another program listens there, and it is no node",
                f"choose another port (NODE_PORT, --port), or find the program: ss -ltnp 'sport = :{port}'",
            )
        case _:
            return error(f"cannot be used: {failure.strerror or failure}", "correct NODE_HOST and NODE_PORT")


async def _node_at(host: str, port: int) -> str | None:
    """The name of the node that answers there, None if there is none."""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/about"
    try:
        async with aiohttp.ClientSession(timeout=timeout_of(ASK_S)) as session, session.get(url) as answer:
            told = await answer.json(content_type=None)
    except (*FOREIGN, ValueError):
        return None
    return f"state {told['state']}" if isinstance(told, dict) and "operation_mode" in told else None
