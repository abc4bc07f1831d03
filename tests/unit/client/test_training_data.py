"""Fetching images: what comes is whole, what does not come is named, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.place import Place
from learning_loop_node.client.training_data import MEMORY_BYTES, WAITS_S, TrainingData
from learning_loop_node.data_classes import Context
from learning_loop_node.errors import DownloadError, StorageFullError
from learning_loop_node.settings import LoopSettings
from tests.builders import jpeg, pixels
from tests.clock import ManualClock
from tests.polling import until
from tests.stand_in import Answer, StandIn, break_off, stand_in

P = "/api/zauberzeug/projects/demo"
PICTURE = jpeg()
PAGE = web.Response(text="<form>", content_type="text/html")
FAILED = web.Response(status=500, text="oh")


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as fake:
        yield fake


@pytest.fixture
async def place(server: StandIn, clock: ManualClock) -> AsyncIterator[Place]:
    async with LoopHttp(LoopSettings(host=server.host), clock) as http:
        yield Place(http, Context(organization="zauberzeug", project="demo"))


def main(image_id: str) -> str:
    return f"GET {P}/images/{image_id}/main"


def image(content: bytes = PICTURE) -> web.Response:
    return web.Response(body=content, content_type="image/jpeg")


def serve(server: StandIn, *image_ids: str) -> None:
    for image_id in image_ids:
        server.on(main(image_id), image())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Which images there are


async def test_ids(server: StandIn, place: Place):
    server.on(f"GET {P}/data", web.json_response({"image_ids": ["a", 1]}))
    assert await TrainingData(place).ids("state=complete") == ["a", "1"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([FAILED, web.json_response({"image_ids": []})], [1]),
        ([break_off, break_off, FAILED, web.json_response({"image_ids": []})], [1, 2]),
        ([web.Response(status=429, headers={"Retry-After": "7"}), web.json_response({"image_ids": []})], [7]),
        ([web.Response(status=503, headers={"Retry-After": "9999"}), web.json_response({"image_ids": []})], [120]),
    ],
)
async def test_what_may_pass_is_tried_again(
    server: StandIn, place: Place, clock: ManualClock, answers: list[web.Response | Answer], expected: list[float]
):
    """aiohttp itself asks once more where a kept connection has ended."""
    server.on(f"GET {P}/data", *answers)
    assert await TrainingData(place).ids() == []
    assert clock.waits == expected


@pytest.mark.parametrize(
    ("answer", "text", "waits"),
    [
        pytest.param(FAILED, "oh", WAITS_S, id="fails"),
        pytest.param(break_off, "no connection|broke off", WAITS_S, id="breaks off"),
        pytest.param(web.Response(status=404, text="no project"), "no project", (), id="unknown"),
        pytest.param(web.Response(status=403, text="not for you"), "not for you", (), id="forbidden"),
        pytest.param(web.json_response({"detail": "no", "code": "forbidden"}, status=403), "no", (), id="ours"),
        pytest.param(web.Response(text="<html>"), "LOOP_HOST", (), id="no JSON"),
        pytest.param(web.json_response({"images": []}), "'image_ids'", (), id="other JSON"),
    ],
)
async def test_what_does_not_pass_ends_in_an_error(
    server: StandIn, place: Place, clock: ManualClock, answer: web.Response, text: str, waits: tuple[float, ...]
):
    server.on(f"GET {P}/data", answer)
    with pytest.raises(DownloadError, match=text):
        await TrainingData(place).ids()
    assert tuple(clock.waits) == waits


# What is known about them


def answer_records(*, without: str = "") -> Answer:
    async def answer(request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        return web.json_response({"images": [{"id": name, "set": "train"} for name in ids if name not in without]})

    return answer


async def test_no_records(place: Place):
    found = await TrainingData(place).records([])
    assert (found.records, found.missing) == ([], [])


async def test_records_come_in_their_order(server: StandIn, place: Place):
    server.on(f"GET {P}/images", answer_records(without="x"))
    shares: list[float] = []
    found = await TrainingData(place, on_progress=shares.append).records([*"abcdefgxh", "../evil"], per_request=2)
    assert [record["id"] for record in found.records] == [*"abcdefgh"]
    assert found.missing == ["../evil", "x"]
    assert server.count(f"GET {P}/images") == 5
    assert shares == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]


async def test_records_that_are_refused_are_missing(server: StandIn, place: Place):
    server.on(f"GET {P}/images", web.Response(status=422, text="no"), answer_records())
    found = await TrainingData(place).records([*"abcd"], per_request=2)
    assert len(found.records) == len(found.missing) == 2


@pytest.mark.parametrize("answer", [FAILED, web.json_response({"image": []})])
async def test_records_that_do_not_come_end_in_an_error(server: StandIn, place: Place, answer: web.Response):
    server.on(f"GET {P}/images", answer)
    with pytest.raises(DownloadError):
        await TrainingData(place).records(["a"])


# The images


async def test_no_images(place: Place, tmp_path: Path):
    shares: list[float] = []
    found = await TrainingData(place, on_progress=shares.append).images([], tmp_path / "images")
    assert (found.fetched_count, found.present_count, found.skipped_count) == (0, 0, 0)
    assert names_in(tmp_path / "images") == []
    assert shares == [1.0]


@pytest.mark.parametrize("at_once", [1, 3, 100])
async def test_every_image_is_fetched_once(server: StandIn, place: Place, tmp_path: Path, at_once: int):
    serve(server, *"abcde")
    (tmp_path / "a.jpg").write_bytes(b"as it is")
    (tmp_path / "b.jpg").touch()  # what a power cut left
    shares: list[float] = []
    data = TrainingData(place, at_once=at_once, on_progress=shares.append)
    found = await data.images([*"abcdeabc"], tmp_path)
    assert (found.fetched_count, found.present_count, found.skipped_count) == (4, 1, 0)
    assert names_in(tmp_path) == [f"{name}.jpg" for name in "abcde"]
    assert (tmp_path / "a.jpg").read_bytes() == b"as it is"
    assert {(tmp_path / f"{name}.jpg").read_bytes() for name in "bcde"} == {PICTURE}
    assert sorted(request for request in server.requests if "main" in request) == [main(name) for name in "bcde"]
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0]
    again = await data.images([*"abcde"], tmp_path)
    assert (again.fetched_count, again.present_count) == (0, 5)


@pytest.mark.parametrize(
    ("answer", "fate"),
    [
        pytest.param(web.Response(status=404), "missing", id="404"),
        pytest.param(web.Response(status=410), "missing", id="410"),
        pytest.param(web.Response(status=422), "missing", id="422"),
        pytest.param(web.json_response({"detail": "x", "code": "not_found"}, status=404), "missing", id="ours"),
        pytest.param(image(b""), "corrupt", id="empty"),
        pytest.param(image(b"text"), "corrupt", id="text"),
        pytest.param(image(PICTURE[:-10]), "corrupt", id="cut"),
        pytest.param(
            image(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\xff\0" * 2 + b"\x08\x02\0\0\0"), "corrupt", id="huge"
        ),
    ],
)
@pytest.mark.parametrize("checks_pixels", [True, False])
async def test_what_cannot_be_used_is_left_out_and_named(
    server: StandIn, place: Place, tmp_path: Path, answer: web.Response, fate: str, checks_pixels: bool
):
    serve(server, "good")
    server.on(main("bad"), answer)
    found = await TrainingData(place, checks_pixels=checks_pixels).images(["bad", "good"], tmp_path)
    assert names_in(tmp_path) == ["good.jpg"]
    assert (found.missing, found.corrupt) == ((["bad"], []) if fate == "missing" else ([], ["bad"]))
    assert found.skipped_count == 1
    assert server.count(main("bad")) == (1 if fate == "missing" else 2)


@pytest.mark.parametrize(("checks_pixels", "is_kept"), [(True, False), (False, True)])
async def test_pixels_are_checked_if_wanted(
    server: StandIn, place: Place, tmp_path: Path, checks_pixels: bool, is_kept: bool
):
    file = BytesIO()
    Image.fromarray(pixels()).save(file, "PNG")
    content = file.getvalue()
    server.on(main("a"), image(content[:300] + bytes(20) + content[320:]))
    found = await TrainingData(place, checks_pixels=checks_pixels).images(["a"], tmp_path)
    assert (found.fetched_count == 1) is is_kept
    assert (found.corrupt == ["a"]) is not is_kept


async def test_what_became_corrupt_on_the_way_is_fetched_again(server: StandIn, place: Place, tmp_path: Path):
    server.on(main("a"), image(PICTURE[:-10]), image())
    found = await TrainingData(place).images(["a"], tmp_path)
    assert (found.fetched_count, found.corrupt) == (1, [])


@pytest.mark.parametrize("end", [b"", b"\0"], ids=["whole", "corrupt"])
async def test_a_large_image_is_written_while_it_arrives(server: StandIn, place: Place, tmp_path: Path, end: bytes):
    Image.fromarray(pixels(1600, 1400)).save(tmp_path / "large.bmp")
    content = (tmp_path / "large.bmp").read_bytes()[: -100 if end else None]
    assert len(content) > MEMORY_BYTES
    folder = tmp_path / "images"
    seen: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/bmp", "Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: MEMORY_BYTES + 1])
        await until(lambda: any(file.stat().st_size > 0 for file in folder.glob(".*.part")))
        seen.append(len(names_in(folder)))
        await response.write(content[MEMORY_BYTES + 1 :])
        return response

    server.on(main("a"), answer)
    found = await TrainingData(place).images(["a"], folder)
    assert seen == ([1, 1] if end else [1])
    assert names_in(folder) == ([] if end else ["a.jpg"])
    assert found.corrupt == (["a"] if end else [])
    assert end or (folder / "a.jpg").read_bytes() == content


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        pytest.param(FAILED, WAITS_S, id="fails"),
        pytest.param(break_off, WAITS_S, id="breaks off"),
        pytest.param(PAGE, WAITS_S, id="somebody's login page"),
        pytest.param(web.Response(status=401), (), id="not logged in"),
        pytest.param(web.Response(status=403), (), id="forbidden"),
    ],
)
async def test_an_image_that_does_not_come_ends_in_an_error(
    server: StandIn, place: Place, tmp_path: Path, clock: ManualClock, answer: web.Response, waits: tuple[float, ...]
):
    """And those that came stay for the next time."""
    serve(server, *"bcd")
    server.on(main("a"), answer)
    with pytest.raises(DownloadError, match="image a: "):
        await TrainingData(place, at_once=1).images([*"bcda"], tmp_path)
    assert tuple(clock.waits) == waits
    assert names_in(tmp_path) == ["b.jpg", "c.jpg", "d.jpg"]


async def test_as_long_as_others_arrive_an_image_is_waited_for(
    server: StandIn, place: Place, tmp_path: Path, clock: ManualClock
):
    ids = [str(number) for number in range(40)]
    serve(server, *ids)
    failures = 0

    async def fail_while_others_arrive(_: web.Request) -> web.StreamResponse:
        nonlocal failures
        if failures == 2 * len(WAITS_S):
            return image()
        failures += 1
        await until(lambda: len(names_in(tmp_path)) >= 2 * failures)
        return web.Response(status=500)

    server.on(main("a"), fail_while_others_arrive)
    found = await TrainingData(place, at_once=2).images(["a", *ids], tmp_path)
    assert found.fetched_count == 41
    assert len(clock.waits) == 2 * len(WAITS_S)


async def test_an_error_ends_what_is_on_its_way(server: StandIn, place: Place, tmp_path: Path):
    """Nothing half stays, not even hidden."""
    has_begun = asyncio.Event()
    large = bytes(MEMORY_BYTES + 1)

    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/bmp", "Content-Length": str(2 * len(large))})
        await response.prepare(request)
        await response.write(large)
        has_begun.set()
        await asyncio.Event().wait()
        return response

    async def refuse(request: web.Request) -> web.StreamResponse:
        await has_begun.wait()
        await until(lambda: any(tmp_path.glob(".*.part")))
        return web.Response(status=403)

    server.on(main("a"), hang)
    server.on(main("b"), refuse)
    with pytest.raises(DownloadError, match="image b"):
        await TrainingData(place).images(["a", "b"], tmp_path)
    assert names_in(tmp_path) == []


async def test_what_a_killed_download_left_is_removed_once_it_is_old(server: StandIn, place: Place, tmp_path: Path):
    serve(server, "a")
    for name, age_s in (("old", 7200), ("new", 10)):
        (tmp_path / f".{name}.jpg.x.part").touch()
        os.utime(tmp_path / f".{name}.jpg.x.part", (time.time() - age_s,) * 2)
    await TrainingData(place).images(["a"], tmp_path)
    assert names_in(tmp_path) == [".new.jpg.x.part", "a.jpg"]


@pytest.mark.parametrize("name", [".", "a.jpg"])
async def test_a_disk_that_does_not_take_it(
    server: StandIn, place: Place, tmp_path: Path, clock: ManualClock, name: str
):
    serve(server, "a")
    folder = tmp_path / "images"
    if name == ".":
        folder.touch()
    else:
        (folder / name / "inside").mkdir(parents=True)
    with pytest.raises(StorageFullError, match="cannot be written"):
        await TrainingData(place).images(["a"], folder)
    assert clock.waits == []
    assert folder.is_file() or names_in(folder) == [name]
