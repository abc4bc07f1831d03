"""Whether the loop's name is known and its port answers."""

from __future__ import annotations

import asyncio
import socket

from .finding import Verdict, error, ok

CONNECT_S = 5.0


async def resolve(host: str, port: int, setting: str = "LOOP_HOST") -> Verdict:
    """The addresses behind a name."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        return error(
            f"the name is not known ({getattr(failure, 'strerror', None) or failure})",
            f"correct {setting}; if it is right, look at the machine's DNS (resolvectl query {host}) and network",
        )
    return ok(", ".join(dict.fromkeys(str(entry[4][0]) for entry in found)))


async def reach(host: str, port: int, setting: str = "LOOP_HOST", timeout_s: float = CONNECT_S) -> Verdict:
    """Whether something listens there."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return error(
            f"no answer within {timeout_s:g} s",
            "a firewall may drop the packets, or the machine is off; let the port through, or correct the port",
        )
    except ConnectionRefusedError:
        remedy = f"start it there, or correct the port in {setting}"
        if host in ("localhost", "127.0.0.1", "::1"):
            remedy += "; inside a container, localhost is the container itself"
        return error("nothing listens on this port", remedy)
    except OSError as failure:
        return error(f"no way there ({failure.strerror or failure})", "look at the network and the route to this host")
    writer.close()
    return ok(f"answers within {(clock.time() - began) * 1000:.0f} ms")
