"""A server that only receives an image and decodes it, as the bound of what a detector can reach: `uvicorn bare:app`.

It takes the form apart as the load generator made it, checks nothing, and answers always the same.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import simplejpeg
import socketio

from learning_loop_node.runtime.allocator import keep_freed_memory

ANSWER = b'{"box_detections": [{"category_name": "cup", "x": 10, "y": 20, "width": 30, "height": 40}]}'

keep_freed_memory()
decoders = ThreadPoolExecutor(2)
events = socketio.AsyncServer(async_mode="asgi", max_http_buffer_size=64 * 2**20)


async def decode(jpeg: bytes) -> None:
    await asyncio.get_running_loop().run_in_executor(decoders, simplejpeg.decode_jpeg, jpeg, "RGB", False, False)


async def detect(_sid: str, data: dict[str, Any]) -> dict[str, Any]:
    image = data["image"]
    if image.get("format") == "jpeg":
        await decode(image["bytes"])
    else:
        np.frombuffer(image["bytes"], image["dtype"]).reshape(image["shape"])
    return {"box_detections": []}


async def rest(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        body = bytearray()
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message["body"]
        if body:
            await decode(bytes(memoryview(body)[body.index(b"\r\n\r\n") + 4 :]))
        headers = [(b"content-length", str(len(ANSWER)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWER})


events.on("detect", detect)
app = socketio.ASGIApp(events, rest, socketio_path="/ws/socket.io")
