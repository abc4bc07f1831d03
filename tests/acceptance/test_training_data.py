"""Images for a training over bad lines, and with the trainer killed in between: whole in the end, each fetched once."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.place import Place
from learning_loop_node.client.training_data import FetchedImages, TrainingData
from learning_loop_node.data_classes import Context
from learning_loop_node.errors import DownloadError
from learning_loop_node.settings import LoopSettings, environment_for_child
from tests.bad_network import FAULTS, bad_network
from tests.builders import jpeg
from tests.child import CHECKOUT
from tests.clock import HurriedClock
from tests.polling import until
from tests.proxy import proxy_to
from tests.stand_in import StandIn, stand_in

P = "/api/zauberzeug/projects/demo"
IDS = [f"image-{number}" for number in range(120)]
CONTENTS = {image_id: jpeg(320, 240, seed=number, quality=98) for number, image_id in enumerate(IDS)}
IMAGES = f"GET {P}/images/.*/main"
QUICK_FAULTS = [name for name in FAULTS if name != "1 B/s" and not name.startswith("half-open")]
PROGRAM = """
import asyncio, resource, sys
from learning_loop_node.data_classes import Context
from learning_loop_node.data_exchanger import DataExchanger
from learning_loop_node.loop_communication import LoopCommunicator

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))

async def main():
    communicator = LoopCommunicator()
    exchanger = DataExchanger(Context(organization="zauberzeug", project="demo"), communicator)
    await exchanger.download_images(await exchanger.fetch_image_uuids(), sys.argv[1])

asyncio.run(main())
"""


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as fake:
        fake.on(f"GET {P}/data", web.json_response({"image_ids": IDS}))
        for image_id, content in CONTENTS.items():
            fake.on(f"GET {P}/images/{image_id}/main", web.Response(body=content, content_type="image/jpeg"))
        yield fake


async def fetch(host: str, folder: Path, *, times_faster: float = 100) -> FetchedImages:
    async with LoopHttp(LoopSettings(host=host), HurriedClock(times_faster)) as http:
        place = Place(http, Context(organization="zauberzeug", project="demo"))
        return await TrainingData(place).images(IDS, folder)


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def assert_all_whole(folder: Path) -> None:
    found = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert found == {f"{image_id}.jpg": content for image_id, content in CONTENTS.items()}


@pytest.mark.parametrize("after_bytes", [0, 100, 3000])
async def test_a_connection_that_is_cut_within_files(server: StandIn, tmp_path: Path, after_bytes: int):
    async with proxy_to(server.host) as proxy:
        proxy.cut(IMAGES, after_bytes=after_bytes, times=25)
        found = await fetch(proxy.host, tmp_path)
    assert proxy.cut_count == 25
    assert (found.fetched_count, found.skipped_count) == (len(IDS), 0)
    assert_all_whole(tmp_path)


async def test_a_line_on_which_a_third_of_all_goes_wrong(
    server: StandIn, tmp_path: Path, request: pytest.FixtureRequest
):
    rounds = 20 if request.config.getoption("--long") else 2
    for seed in range(rounds):
        folder = tmp_path / str(seed)
        async with bad_network(server.host, share=0.33, matches=IMAGES, seed=seed, faults=QUICK_FAULTS) as network:
            found = await fetch(network.host, folder)
        assert sum(network.met.values()) > 20
        assert (found.fetched_count, found.skipped_count) == (len(IDS), 0)
        assert_all_whole(folder)


@pytest.mark.parametrize("fault", [*QUICK_FAULTS])
async def test_a_line_on_which_all_goes_wrong_ends_in_an_error(server: StandIn, tmp_path: Path, fault: str):
    """And nothing half is left."""
    async with bad_network(server.host, share=1, matches=IMAGES, faults=[fault]) as network:
        with pytest.raises(DownloadError, match="image image-"):
            await fetch(network.host, tmp_path, times_faster=1000)
    assert names_in(tmp_path) == set()
    found = await fetch(server.host, tmp_path)
    assert found.fetched_count == len(IDS)
    assert_all_whole(tmp_path)


async def test_a_loop_that_is_gone_for_a_while(server: StandIn, tmp_path: Path):
    """Half of the images come before."""
    is_back = asyncio.Event()
    tries = 0

    async def gone(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        if is_back.is_set():
            image_id = request.path.split("/")[-2]
            return web.Response(body=CONTENTS[image_id], content_type="image/jpeg")
        tries += 1
        if tries == 25:
            is_back.set()
        return web.Response(status=503, headers={"Retry-After": "1"})

    for image_id in IDS[60:]:
        server.on(f"GET {P}/images/{image_id}/main", gone)
    found = await fetch(server.host, tmp_path)
    assert tries == 25
    assert (found.fetched_count, found.skipped_count) == (len(IDS), 0)
    assert_all_whole(tmp_path)


async def test_a_slow_loop(server: StandIn, tmp_path: Path):
    """Each image arrives in pieces."""

    async def dribble(request: web.Request) -> web.StreamResponse:
        content = CONTENTS[request.path.split("/")[-2]]
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": str(len(content))})
        await response.prepare(request)
        for start in range(0, len(content), 2000):
            await response.write(content[start : start + 2000])
            await asyncio.sleep(0.001)
        return response

    for image_id in IDS:
        server.on(f"GET {P}/images/{image_id}/main", dribble)
    assert (await fetch(server.host, tmp_path)).fetched_count == len(IDS)
    assert_all_whole(tmp_path)


@pytest.mark.parametrize("served", [1, 30, 100])
async def test_a_trainer_that_is_killed_goes_on_where_it_was(server: StandIn, tmp_path: Path, served: int):
    """The loop stops within files when so many were sent, and the trainer is killed there."""
    sent: list[str] = []
    begun: list[str] = []
    is_halted = True

    async def send(request: web.Request) -> web.StreamResponse:
        image_id = request.path.split("/")[-2]
        begun.append(image_id)
        content = CONTENTS[image_id]
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        if is_halted and len(sent) >= served:
            await asyncio.Event().wait()
        await response.write(content[len(content) // 2 :])
        sent.append(image_id)
        return response

    for image_id in IDS:
        server.on(f"GET {P}/images/{image_id}/main", send)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(tmp_path), "-1"),
        cwd=CHECKOUT,
        env=environment_for_child(LOOP_HOST=server.host),
    )
    try:
        await until(lambda: len(begun) >= len(sent) + 10 and len(list(tmp_path.glob("*.jpg"))) == len(sent))
    finally:
        process.kill()
        await process.wait()
    present = {name.removesuffix(".jpg") for name in names_in(tmp_path) if name.endswith(".jpg")}
    assert served <= len(present) < len(IDS)
    assert all((tmp_path / f"{image_id}.jpg").read_bytes() == CONTENTS[image_id] for image_id in present)
    is_halted, requests = False, len(begun)
    found = await fetch(server.host, tmp_path)
    assert (found.present_count, found.fetched_count) == (len(present), len(IDS) - len(present))
    assert present.isdisjoint(begun[requests:])
    assert_all_whole(tmp_path)


async def test_a_disk_that_refuses_to_take_more(server: StandIn, tmp_path: Path):
    """As far as a process can tell, a file that may not grow is like a full disk."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(tmp_path), "3000"),
        cwd=CHECKOUT,
        env=environment_for_child(LOOP_HOST=server.host),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert re.search(r"StorageFullError: .*image-\d+\.jpg cannot be written: .*File too large", errors.decode())
    assert names_in(tmp_path) == set()
    assert (await fetch(server.host, tmp_path)).fetched_count == len(IDS)
