"""Stands in for a loop that is never the bottleneck: `uvicorn loop:app`.

It names the model that `PUT /target` says (`{"version", "size_mb"}`), sends models made of noise, and counts the images
it gets; `GET /received` tells how many. Whatever image it is asked for, it sends the one of `PUT /image`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

CHUNK_BYTES = 2**18

archives: dict[str, Path] = {}  # by version
received = 0
image = b""


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    global received, image
    method, path = scope["method"], scope["path"]
    if method == "POST" and path.endswith("/images"):
        arrived = await count_images(receive)
        received += arrived
        await answer(send, ["ok"])
        return
    body = await whole_body(receive)
    if path == "/target":
        target = json.loads(body)
        archives.clear()
        archives[target["version"]] = await asyncio.to_thread(write_archive, target["version"], target["size_mb"])
        await answer(send, "ok")
    elif path == "/received":
        await answer(send, received)
    elif path == "/image":
        image = body
        await answer(send, "ok")
    elif path.endswith("/main"):
        await send_bytes(send, image)
    elif path.endswith("/login"):
        await answer(send, "ok", headers=[(b"set-cookie", b"session=1; Path=/")])
    elif path.endswith("/deployment/target") and archives:
        version = next(iter(archives))
        await answer(send, {"model_uuid": model_id(version), "version": version})
    elif found := re.search(r"/models/model-([0-9.]+)/[a-z]+/file$", path):
        await send_file(send, archives[found[1]])
    elif path.endswith("/deployment/target"):
        await answer(send, {"detail": "no target", "code": "no_target"}, status=404)
    else:
        await answer(send, {})


def model_id(version: str) -> str:
    return f"model-{version}"


async def count_images(receive: Any) -> int:
    count, tail = 0, b""
    while True:
        message = await receive()
        chunk: bytes = tail + message.get("body", b"")
        count += chunk.count(b'.jpg"')
        tail = chunk[-4:]
        if not message.get("more_body"):
            return count


async def whole_body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def answer(send: Any, value: Any, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    await send_bytes(send, json.dumps(value).encode(), b"application/json", status, headers)


async def send_bytes(
    send: Any,
    body: bytes,
    content_type: bytes = b"image/jpeg",
    status: int = 200,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    all_headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def send_file(send: Any, file: Path) -> None:
    size_bytes = (await asyncio.to_thread(file.stat)).st_size
    headers = [
        (b"content-type", b"application/zip"),
        (b"content-length", str(size_bytes).encode()),
        (b"content-disposition", f'attachment; filename="{file.name}"'.encode()),
        (b"x-content-sha256", (await asyncio.to_thread(sha256_of, file)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with await asyncio.to_thread(file.open, "rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def write_archive(version: str, size_mb: int) -> Path:
    """A model of this size, which cannot be packed any smaller, in the working directory."""
    file = Path(f"{version}.zip")
    information = {"id": model_id(version), "host": None, "organization": "bench", "project": "bench"}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.json", json.dumps({**information, "version": version, "categories": []}))
        with archive.open("weights.bin", "w") as weights:
            for _ in range(size_mb):
                weights.write(os.urandom(2**20))
    return file


@cache
def sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
