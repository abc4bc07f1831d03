"""An application with a service that can crash, ended in every way; run by `test_termination.py`.

python -m tests.integration.programs.ending run|reload|server asyncio|uvloop
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import socketio
import uvicorn
from fastapi import FastAPI, Request

from learning_loop_node.runtime.services import supervise
from learning_loop_node.runtime.termination import Termination

ORDERS: asyncio.Queue[str]
sio = socketio.AsyncServer(async_mode="asgi")


class Obedient:
    """Does what it is told over HTTP."""

    name = "obedient service"

    async def run(self) -> None:
        match await ORDERS.get():
            case "crash":
                raise RuntimeError("told to crash")
            case "exit":
                sys.exit(5)


class Idle:
    name = "idle service"

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            say("idle service was stopped")


async def disconnect_clients() -> None:
    if sio.eio.sockets:
        await sio.eio.disconnect()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    global ORDERS
    ORDERS = asyncio.Queue()
    termination = Termination(before_stop=disconnect_clients, grace_s=1)
    termination.open()
    app.state.termination = termination
    if os.environ.get("CRASH_AT_START"):
        ORDERS.put_nowait("crash")
    async with supervise([Idle(), Obedient()], on_crash=lambda: termination.end(1)):
        await asyncio.sleep(0)
        yield
    await asyncio.sleep(0.01)
    say("stopped in order")
    await termination.close()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


app = FastAPI(lifespan=lifespan)


@app.post("/order/{order}")
async def take_order(order: str) -> None:
    if order == "restart":
        app.state.termination.end(0)
    else:
        ORDERS.put_nowait(order)


@app.get("/slow")
async def slow() -> str:
    await asyncio.sleep(0.3)
    return "done"


@app.post("/body")
async def read_body(request: Request) -> int:
    return len(await request.body())


app.mount("/", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))

if __name__ == "__main__":
    way, loop = sys.argv[1:]
    match way:
        case "run":
            uvicorn.run(app, host="127.0.0.1", port=0, loop=loop)
            say("program goes on")
        case "reload":
            uvicorn.run(f"{__spec__.name}:app", host="127.0.0.1", port=0, loop=loop, reload=True, reload_dirs=[])
        case "server":
            asyncio.run(uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0)).serve())
