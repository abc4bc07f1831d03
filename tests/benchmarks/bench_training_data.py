"""How many images per second a trainer fetches: from a server that is never the bottleneck, and from our own loop."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from subprocess import PIPE
from uuid import uuid4

import aiohttp

from learning_loop_node.data_classes.codec import to_json

from . import photographs
from .figures import Figure, Goal, Who
from .real_loop import real_loop
from .servers import PROGRAMS, clean_environment, request
from .turns import Bench

COUNT = 1000
QUICK_COUNT = 60
PER_UPLOAD = 20
P = "/api/bench/projects/bench"
CHECKS = {True: "every pixel decoded", False: "headers checked"}
NOTE = (
    "0.27 begins a request every 20 ms, and looks at nothing but the size where jpeginfo is not installed. Decoding "
    "takes 1 to 2 ms of a processor for each image, and up to four share in it; client and server run on the same. The "
    "bare column is a client that reads the same answers into memory."
)


async def measure(bench: Bench) -> list[Figure]:
    count = QUICK_COUNT if bench.is_quick else COUNT
    jpeg = photographs.jpeg_of(150 * 1024)
    folder = bench.servers.folder_for("fetched images")
    (folder / "ids").write_text("\n".join(f"image-{number}" for number in range(count)))
    fast: dict[bool, dict[Who, list[float]]] = {True: {}, False: {}}
    async with bench.servers.loop() as server:
        await request(server.port, "PUT", "/image", jpeg)
        for turn in range(bench.turns(3)):
            for who in [Who.OURS, *bench.servers.nodes[1:]] if turn == 0 else [Who.OURS]:
                for checks in (True, False):
                    if who is Who.OURS or not checks:
                        rate = await _fetch(bench, who, server.port, folder, checks=checks)
                        fast[checks].setdefault(who, []).append(rate)
            bare = await _read_all(server.port, count)
            for rates in fast.values():
                rates.setdefault(Who.BARE, []).append(bare)
    if theirs := fast[False].get(Who.THEIRS):
        fast[True][Who.THEIRS] = theirs
    ours = await _from_our_loop(bench, folder, jpeg, count)
    what = f"training data: {count} images of {len(jpeg) // 1024} KB fetched and kept"
    return [
        *(
            Figure(what=f"{what}, {name}", unit="/s", values=fast[checks], goal=Goal(ratio=20), note=NOTE)
            for checks, name in CHECKS.items()
        ),
        *(
            Figure(what=f"{what}, from our loop, {name}", unit="/s", values=ours[checks], goal=Goal(value=300))
            for checks, name in CHECKS.items()
        ),
    ]


async def _from_our_loop(bench: Bench, folder: Path, jpeg: bytes, count: int) -> dict[bool, dict[Who, list[float]]]:
    found: dict[bool, dict[Who, list[float]]] = {True: {Who.OURS: []}, False: {Who.OURS: []}}
    async with real_loop(bench.servers.folder_for("loop of trainings")) as session:
        ids = await _store(session, jpeg, count)
        (folder / "ids").write_text("\n".join(ids))
        async with session.get("/api/status") as answer:
            port = answer.url.port or 0
        for _ in range(bench.turns(3)):
            for checks, values in found.items():
                values[Who.OURS].append(await _fetch(bench, Who.OURS, port, folder, checks=checks))
    return found


async def _store(session: aiohttp.ClientSession, jpeg: bytes, count: int) -> list[str]:
    """Make a project with so many images, each with another content; their ids."""
    async with session.post("/api/bench/projects", json={"project_id": "bench", "categories": ["face"]}) as answer:
        assert answer.status == 200, await answer.text()
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
    for start in range(0, count, PER_UPLOAD):
        form = aiohttp.FormData()
        for image_id in ids[start : start + PER_UPLOAD]:
            form.add_field("files", io.BytesIO(to_json({"id": image_id})), filename=f"{image_id}.json")
            form.add_field("files", io.BytesIO(jpeg + image_id.encode()), filename=f"{image_id}.jpg")
        async with session.post(f"{P}/images", data=form) as answer:
            assert answer.status == 200, await answer.text()
    return ids


async def _fetch(bench: Bench, who: Who, port: int, folder: Path, *, checks: bool) -> float:
    """Images per second of a trainer, in a process and with a folder of its own.

    The folders stay until the end: a file system is slower at making files where it has just deleted others.
    """
    target = folder / uuid4().hex
    environment = clean_environment() | {"LOOP_HOST": f"127.0.0.1:{port}", "DATA_FOLDER": str(folder)}
    arguments = (PROGRAMS / "fetch.py", folder / "ids", target, "check" if checks else "header")
    process = await asyncio.create_subprocess_exec(
        bench.servers.interpreter(who), *arguments, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{who} did not fetch the images: {errors.decode()[-2000:]}")
    return float(output.decode().splitlines()[-1])


async def _read_all(port: int, count: int) -> float:
    """Images per second of a client that has nothing else to do."""
    waiting = iter(range(count))

    async def read(session: aiohttp.ClientSession) -> None:
        for number in waiting:
            async with session.get(f"{P}/images/image-{number}/main") as answer:
                await answer.read()

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(read(session) for _ in range(10)))
        return count / (asyncio.get_running_loop().time() - start)
