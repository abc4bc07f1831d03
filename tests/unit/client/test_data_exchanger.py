from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from learning_loop_node.client.communicator import LoopCommunicator
from learning_loop_node.client.data_exchanger import DataExchanger
from learning_loop_node.data_classes import Context
from learning_loop_node.errors import CriticalError, DownloadError, ModelUploadFailedError
from learning_loop_node.settings import LoopSettings
from tests.models import model_zip, zip_of
from tests.stand_in import StandIn, stand_in

CONTEXT = Context(organization="zauberzeug", project="demo")
P = "/api/zauberzeug/projects/demo"
MODEL = f"GET {P}/models/an-id/mocked/file"
PUT = f"PUT {P}/trainings/3/models/latest/mocked/file"
UUID = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as fake:
        yield fake


@pytest.fixture
async def exchanger(server: StandIn) -> AsyncIterator[DataExchanger]:
    communicator = LoopCommunicator(LoopSettings(host=server.host))
    yield DataExchanger(CONTEXT, communicator)
    await communicator.shutdown()


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_without_a_context(exchanger: DataExchanger) -> None:
    exchanger.set_context(None)
    with pytest.raises(AssertionError, match="set_context"):
        _ = exchanger.context


async def test_fetches_image_ids(server: StandIn, exchanger: DataExchanger) -> None:
    queries = []

    async def answer(request: web.Request) -> web.Response:
        queries.append(request.query_string)
        return web.json_response({"image_ids": ["a", "b"]})

    server.on(f"GET {P}/data", answer)
    assert await exchanger.fetch_image_uuids("state=complete") == ["a", "b"]
    assert await exchanger.fetch_image_uuids() == ["a", "b"]
    assert queries == ["state=complete", ""]


@pytest.mark.parametrize("answer", [web.Response(status=404), web.Response(text="<html>"), web.json_response({})])
async def test_no_image_ids(server: StandIn, exchanger: DataExchanger, answer: web.Response) -> None:
    server.on(f"GET {P}/data", answer)
    with pytest.raises(DownloadError):
        await exchanger.fetch_image_uuids()


async def test_fetches_data_in_chunks_and_skips_those_that_are_refused(
    server: StandIn, exchanger: DataExchanger
) -> None:
    async def answer(request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        if "c" in ids:
            return web.Response(status=422)
        return web.json_response({"images": [{"id": image_id} for image_id in ids]})

    server.on(f"GET {P}/images", answer)
    records = await exchanger.download_images_data(["a", "b", "c", "d", "../e", "f", "g"], chunk_size=2)
    assert [record["id"] for record in records] == ["a", "b", "f", "g"]
    assert exchanger.progress == 0.5
    assert await exchanger.download_images_data([]) == []


@pytest.mark.parametrize("check_jpeg", [True, False])
async def test_downloads_images(
    server: StandIn, exchanger: DataExchanger, tmp_path: Path, picture: bytes, check_jpeg: bool
) -> None:
    contents = {"good": picture, "empty": b"", "page": b"<html>", "cut": picture[:-10]}
    for name, content in contents.items():
        server.on(f"GET {P}/images/{name}/main", web.Response(body=content))
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "there.jpg").write_bytes(b"as it is")
    exchanger.check_jpeg = check_jpeg
    found = await exchanger.download_images(
        [*contents, "there", "missing", "../evil", "a/b"], str(folder), chunk_size=2
    )
    assert (found.fetched_count, found.present_count, found.skipped_count) == (1, 1, 6)
    assert sorted(found.corrupt) == ["cut", "empty", "page"]
    assert sorted(found.missing) == ["../evil", "a/b", "missing"]
    assert names_in(tmp_path) == ["images/good.jpg", "images/there.jpg"]
    assert (folder / "good.jpg").read_bytes() == picture
    assert exchanger.progress == 1.0


@pytest.mark.parametrize("prefix", ["", "model/"])
async def test_downloads_a_model(server: StandIn, exchanger: DataExchanger, tmp_path: Path, prefix: str) -> None:
    target = tmp_path / "model"
    server.on(MODEL, web.Response(body=model_zip(prefix=prefix)))
    files = await exchanger.download_model(str(target), CONTEXT, "an-id", "mocked")
    assert files == [str(target / "model.json"), str(target / "weights.bin")]
    assert names_in(tmp_path) == ["model/model.json", "model/weights.bin"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(web.Response(status=404, text="no such model"), id="refused"),
        pytest.param(web.Response(body=b"no zip"), id="no zip"),
        pytest.param(web.Response(body=zip_of({"../evil.txt": ""})), id="traversal"),
    ],
)
async def test_a_model_that_does_not_come(
    server: StandIn, exchanger: DataExchanger, tmp_path: Path, answer: web.Response
) -> None:
    server.on(MODEL, answer)
    with pytest.raises(DownloadError, match="model an-id in format mocked"):
        await exchanger.download_model(str(tmp_path / "model"), CONTEXT, "an-id", "mocked")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (web.json_response({"id": "an-id"}), "an-id"),
        (web.json_response({"detail": {"id": UUID}}, status=409), UUID),
        (web.json_response({"detail": {"id": "no uuid"}}, status=409), None),
        (web.Response(text="there", status=409), None),
        (web.Response(status=404), CriticalError),
        (web.Response(status=503), ModelUploadFailedError),
        (web.Response(status=408), ModelUploadFailedError),
        (web.Response(status=403), ModelUploadFailedError),
    ],
)
async def test_uploads_a_model(
    server: StandIn,
    exchanger: DataExchanger,
    tmp_path: Path,
    answer: web.Response,
    expected: str | type[Exception] | None,
) -> None:
    (tmp_path / "model.json").write_text("{}")
    server.on(PUT, answer)
    upload = exchanger.upload_model_get_uuid(CONTEXT, [str(tmp_path / "model.json")], 3, "mocked")
    if isinstance(expected, type):
        with pytest.raises(expected):
            await upload
    else:
        assert await upload == expected
