"""A whole detector node with a real loop: what it promises about images and models while things go wrong."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
import weakref
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import socketio
from aiohttp import web
from pydantic import SecretStr

from learning_loop_node import DetectorLogic, DetectorLogicFactory
from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.data_classes import ImageMetadata, ModelInformation
from learning_loop_node.enums import VersionMode
from learning_loop_node.errors import StorageFullError
from learning_loop_node.loop_server.storage.tables import ModelFormatRow
from learning_loop_node.settings import DetectorSettings, LoopSettings, OutboxSettings, Settings
from tests.builders import jpeg, make_settings
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, running_loop
from tests.nodes import Boxes, BoxesFactory, RunningNode, running_node
from tests.polling import until
from tests.proxy import proxy_to
from tests.stand_in import stand_in

# Images


async def test_a_loop_that_is_away_at_the_start_and_in_the_middle(tmp_path: Path):
    """The node starts, answers and keeps; when the loop is back everything arrives once."""
    pictures = [jpeg(seed=seed) for seed in range(12)]
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        host, port = loop.host, int(loop.host.rpartition(":")[2])
    async with running_node(tmp_path / "node", settings=at(host, tmp_path)) as node, DetectorClient(node.url) as client:
        await keep_all(client, pictures[:4])
        for begin in (4, 8):
            async with running_loop(tmp_path, port=port):
                await until_empty(node)
            await keep_all(client, pictures[begin : begin + 4])
            assert await version_of_answer(client) == "1.0"
        async with running_loop(tmp_path, port=port) as loop:
            await until_empty(node)
            assert await hashes_at(loop) == sorted(map(sha256_of, pictures))


async def test_the_model_of_the_loop_is_served_from_disk_without_the_loop(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model(version="7.3", deploy=True)
        settings = at(loop.host, tmp_path)
        async with running_node(tmp_path / "node", has_model=False, settings=settings) as node:
            await until_serving(node, "7.3")
    async with running_node(tmp_path / "node", has_model=False, settings=settings) as node:
        assert await readiness(node) == 200
        async with DetectorClient(node.url) as client:
            assert await version_of_answer(client) == "7.3"


async def test_a_node_without_a_model_says_why(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        settings = at(loop.host, tmp_path)
        async with running_node(tmp_path / "node", has_model=False, settings=settings) as node:
            await until(lambda: is_said(node, f"there is no project {ORGANIZATION}/{PROJECT}"))
            await loop.create_project()
            node.node.model_updates.retry()
            await until(lambda: is_said(node, f"{ORGANIZATION}/{PROJECT} has no deployed model yet"))
            assert node.node.model_updates.errors == {}
            await loop.push_model(version="1.0", deploy=True)
            node.node.model_updates.retry()
            await until_serving(node, "1.0")
            assert (await asked_status(node))["errors"] == {}
        async with running_node(tmp_path / "node", has_model=False, settings=at("127.0.0.1:1", tmp_path)) as node:
            await until(lambda: has_error(node, "127.0.0.1:1"))
            assert await readiness(node) == 200


async def test_the_answer_of_the_loop_is_lost_after_it_stored(tmp_path: Path):
    pictures = [jpeg(seed=seed) for seed in range(30)]
    async with running_loop(tmp_path) as loop, proxy_to(loop.host) as proxy:
        await loop.create_project()
        proxy.cut(f"POST /api{P}/images", times=3)
        async with (
            running_node(tmp_path / "node", settings=at(proxy.host, tmp_path)) as node,
            DetectorClient(node.url) as client,
        ):
            await keep_all(client, pictures)
            await until_empty(node)
            status = (await client.status())["outbox"]
        assert proxy.cut_count == 3
        assert await hashes_at(loop) == sorted(map(sha256_of, pictures))
    assert (status["sent"], status["quarantined"], status["dropped"]) == (30, 0, {})


async def test_a_dirty_outbox_at_the_start(tmp_path: Path):
    """The node starts, says what is wrong with each, and sends the rest, also what 0.27 left without key."""
    lane = tmp_path / "node" / "outbox" / "normal"
    good = [jpeg(seed=seed) for seed in range(3)]
    for number, picture in enumerate(good):
        leave_item(lane, f"2026-01-02_03:04:05.00000{number}", picture)
    leave_item(lane.parent / "priority", "2026-01-02_03:04:06.000000", jpeg(seed=9))
    wrong: dict[str, tuple[bytes | None, bytes | None, str]] = {
        "2026-01-02_03:05:00.000000": (None, None, "is missing"),
        "2026-01-02_03:05:01.000000": (b"", b"{}", "jpg is empty"),
        "2026-01-02_03:05:02.000000": (jpeg(), b"", "json is empty"),
        "2026-01-02_03:05:03.000000": (jpeg(), None, "json is missing"),
        "2026-01-02_03:05:04.000000": (None, b"{}", "jpg is missing"),
        "2026-01-02_03:05:05.000000": (jpeg(), b'{"box_detections": [', "not valid JSON"),
        "2026-01-02_03:05:06.000000": (b"no picture", b"{}", "refused by the loop after 1 try"),
    }
    for name, (image, metadata, _) in wrong.items():
        leave_item(lane, name, image, metadata)
    (lane / "stray.txt").write_text("what is this?")
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with running_node(tmp_path / "node", settings=at(loop.host, tmp_path)) as node:
            assert await readiness(node) == 200
            await until_empty(node)
            assert await hashes_at(loop) == sorted(map(sha256_of, [*good, jpeg(seed=9)]))
            records = await loop.list_images()
    assert all(record["idempotency_key"] for record in records)
    quarantine = lane.parent / "quarantine"
    reasons = {folder.name: (folder / "reason.txt").read_text() for folder in quarantine.iterdir()}
    assert reasons.keys() == {*wrong, "stray.txt"}
    for name, (_, _, expected) in wrong.items():
        assert expected in reasons[name]


async def test_an_image_is_filtered_at_once_when_the_node_is_idle(tmp_path: Path):
    async with running_node(tmp_path, BoxesFactory(confidence=0.45)) as node:
        async with DetectorClient(node.url) as client:
            await client.detect(jpeg(), camera_id="a")
            # promised are 100 ms; the limit is for a machine that does other things, too
            await until(lambda: node.node.outbox.status().saved == 1, within_s=5)
            await client.detect(jpeg(), camera_id="a")
            await until(lambda: node.node.intake.not_relevant_count == 1, within_s=5)
        assert node.node.intake.kept == {"uncertain": 1}


async def test_a_full_disk_is_told_to_the_caller(tmp_path: Path, small_disk: Path):
    no_spare = OutboxSettings(min_free_bytes=0)
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        settings = at(loop.host, tmp_path, data_folder=small_disk / "node", outbox=no_spare)
        async with (
            running_node(small_disk / "node", settings=settings) as node,
            DetectorClient(node.url) as rest,
            DetectorClient(node.url, transport=Transport.SOCKETIO) as events,
        ):
            await rest.upload(jpeg(seed=1))
            await until_empty(node)
            fill(small_disk / "filler")
            assert await upload_status(node.url) == 507
            assert (await event_reply(node.url, "upload"))["code"] == "storage_full"
            for client in (rest, events):
                with pytest.raises(StorageFullError):
                    await client.detect(jpeg(), autoupload="all")
                assert await version_of_answer(client) == "1.0"
            (small_disk / "filler").unlink()
            await rest.upload(jpeg(seed=2))
            await events.upload(jpeg(seed=3))
            await until_empty(node)
        assert await hashes_at(loop) == sorted(sha256_of(jpeg(seed=seed)) for seed in (1, 2, 3))


# Models


async def test_models_are_swapped_under_load_without_a_failed_request(tmp_path: Path):
    versions = ["1.0", "1.1", "1.2", "1.3"]
    answers: list[str] = []
    is_over = asyncio.Event()

    async def ask(url: str, transport: Transport) -> None:
        async with DetectorClient(url, transport=transport) as client:
            while not is_over.is_set():
                answers.append(await version_of_answer(client))

    async with node_with_loop(tmp_path, VersionedFactory()) as (node, loop):
        for version in versions[1:]:
            await loop.push_model(version=version)
        async with asyncio.TaskGroup() as clients:
            for transport in [*Transport, *Transport]:
                clients.create_task(ask(node.url, transport))
            for version in versions[1:]:
                await deploy(loop, version)
                node.node.model_updates.retry()
                await until(lambda version=version: answers[-20:] == [version] * 20)  # type: ignore[misc]
            is_over.set()
        counts = (await asked_status(node))["detection"]
    assert set(answers) == set(versions)
    assert (counts["failed"], counts["refused"]) == (0, 0)


async def test_a_model_that_cannot_be_built_is_reported_and_the_old_one_serves_on(tmp_path: Path):
    factory = VersionedFactory(broken={"1.1"})
    async with node_with_loop(tmp_path, factory) as (node, loop):
        await loop.push_model(version="1.1", deploy=True)
        node.node.model_updates.retry()
        await until(lambda: error_at_loop(loop, "1.1 is refused"))
        assert factory.built.count("1.1") == 2
        assert await readiness(node) == 200
        assert await served_version(node) == "1.0"
        await loop.push_model(version="1.2", deploy=True)
        await until_serving(node, "1.2")
        await until(lambda: error_at_loop(loop, None))
        assert factory.built.count("1.1") == 2


async def test_a_refused_archive_is_reported_and_the_old_model_serves_on(tmp_path: Path):
    async with node_with_loop(tmp_path, VersionedFactory()) as (node, loop):
        model = await loop.push_model(version="1.1")
        await exchange_archive(loop, model["id"], zip_with({"../../outside": "x", "model.json": "{}"}))
        await deploy(loop, "1.1")
        node.node.model_updates.retry()
        await until(lambda: error_at_loop(loop, "1.1 is refused"))
        assert await readiness(node) == 200
        assert await served_version(node) == "1.0"
        assert "outside" not in everything_in(tmp_path)
        await loop.push_model(version="1.2", deploy=True)
        node.node.model_updates.retry()
        await until_serving(node, "1.2")
        await until(lambda: error_at_loop(loop, None))


async def test_a_broken_transfer_is_resumed(tmp_path: Path):
    weights = np.random.default_rng(0).bytes(300_000)
    kept = tmp_path / "node" / "current_model" / "weights.bin"
    async with running_loop(tmp_path) as loop, proxy_to(loop.host) as proxy:
        await loop.create_project()
        model = await loop.push_model({"weights.bin": weights}, deploy=True)
        download = f"GET /api{P}/models/{model['id']}/mocked/file"
        proxy.cut(download, after_bytes=100_000)
        settings = at(proxy.host, tmp_path)
        async with running_node(tmp_path / "node", has_model=False, settings=settings) as node:
            await until_serving(node, model["version"])
        first, second = proxy.asked(download)
    assert "Range: bytes=" not in first
    assert "Range: bytes=" in second
    assert kept.read_bytes() == weights


async def test_version_modes(tmp_path: Path):
    async with node_with_loop(tmp_path, VersionedFactory(), username="admin") as (node, loop):
        await loop.push_model(version="1.1", deploy=True)
        async with DetectorClient(node.url) as client:
            await client.set_model_version("follow_loop")
            await until_serving(node, "1.1")
            await client.set_model_version("1.0")
            await until_serving(node, "1.0")
            about = await client.about()
            assert (about.version_control, about.target_model) == ("specific_version", "1.0")
            await client.set_model_version("pause")
            await loop.push_model(version="1.2", deploy=True)
            node.node.model_updates.retry()
            await until(lambda: is_deployed(client, "1.2"))
            assert await served_version(node) == "1.0"
            await client.set_model_version("follow_loop")
            await until_serving(node, "1.2")


async def test_an_exclusive_build_refuses_meanwhile_and_keeps_no_reference(tmp_path: Path):
    factory = VersionedFactory()
    exclusive = DetectorSettings(exclusive_model_build=True)
    async with node_with_loop(tmp_path, factory, detector=exclusive) as (node, loop):
        (former,) = factory.logics
        factory.may_build.clear()
        await loop.push_model(version="1.1", deploy=True)
        node.node.model_updates.retry()
        await until(lambda: factory.built[-1] == "1.1")
        async with DetectorClient(node.url) as client:
            status, text = await detect_status(node.url)
            assert (status, "updating model to version 1.1" in text) == (503, True)
            assert "updating model to version 1.1" in (await event_reply(node.url, "detect"))["error"]
            assert await readiness(node) == 503
            assert former() is None
            factory.may_build.set()
            await until_serving(node, "1.1")
            assert await version_of_answer(client) == "1.1"
    assert factory.built == ["1.0", "1.1"]


async def test_a_logic_of_0_18_is_initialised_again_after_a_change(tmp_path: Path):
    logic = Logic018()
    async with node_with_loop(tmp_path, logic) as (node, loop):
        await loop.push_model(version="1.1", deploy=True)
        node.node.model_updates.retry()
        await until_serving(node, "1.1")
        async with DetectorClient(node.url) as client:
            assert await version_of_answer(client) == "1.1"
    assert logic.loaded == ["1.0", "1.1"]


# Status


async def test_the_last_status_is_offline(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with running_node(tmp_path / "node", settings=at(loop.host, tmp_path)):
            await until(lambda: states_at(loop, ["online"]))
        assert await states_at(loop, ["offline"])


async def hang(_request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


@pytest.mark.parametrize(
    ("answers", "count"),
    [
        pytest.param([web.Response(), hang], 2, id="a loop that hangs at the end"),
        pytest.param([web.Response(), web.Response(status=500)], 2, id="a loop that refuses at the end"),
        pytest.param(
            [web.Response(), web.json_response({"detail": "there is no project", "code": "not_found"}, status=404)],
            2,
            id="a loop of ours that knows the project no more",
        ),
        pytest.param([web.Response(status=500)], 1, id="a loop that did not hear the status before"),
    ],
)
async def test_the_last_status_holds_up_no_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answers: list[Any], count: int
):
    report = f"POST /api{P}/detectors"
    async with stand_in() as loop:
        loop.on(report, *answers)
        settings = at(loop.host, tmp_path, detector=DetectorSettings(version_control_default=VersionMode.Pause))
        async with running_node(tmp_path / "node", settings=settings) as node:
            await until(lambda: loop.count(report) == 1)
            async with DetectorClient(node.url) as client:
                await client.detect(jpeg())
        assert loop.count(report) == count
        assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


# Logics


class VersionedFactory(DetectorLogicFactory):
    """Builds when it may; `broken` versions cannot be built."""

    model_format = "mocked"

    def __init__(self, broken: set[str] | None = None) -> None:
        self.broken = broken or set()
        self.built: list[str] = []
        self.logics: list[weakref.ref[Boxes]] = []
        self.may_build = asyncio.Event()
        self.may_build.set()

    async def build(self, model_info: ModelInformation) -> Boxes:
        self.built.append(model_info.version)
        await self.may_build.wait()
        if model_info.version in self.broken:
            raise RuntimeError("not enough memory")
        logic = Boxes(model_info.version)
        self.logics.append(weakref.ref(logic))
        return logic


class Logic018(DetectorLogic):
    def __init__(self) -> None:
        super().__init__("mocked")
        self.loaded: list[str] = []

    def init(self) -> None:
        assert self.model_info is not None
        self.loaded.append(self.model_info.version)

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return Boxes(self.loaded[-1]).evaluate(image)


# Loop and node


def at(host: str, tmp_path: Path, *, data_folder: Path | None = None, username: str = "", **groups: Any) -> Settings:
    """Settings of a node that works for the loop at this address, by default without login."""
    password = SecretStr("secret" if username else "")
    loop = LoopSettings(host=host, organization=ORGANIZATION, project=PROJECT, username=username, password=password)
    return make_settings(data_folder or tmp_path / "node", loop=loop, **groups)


@asynccontextmanager
async def node_with_loop(
    tmp_path: Path, plugged: Any, **options: Any
) -> AsyncIterator[tuple[RunningNode, RunningLoop]]:
    """A node that serves version 1.0 of its loop, which deploys it."""
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model(version="1.0", deploy=True)
        settings = at(loop.host, tmp_path, **options)
        async with running_node(tmp_path / "node", plugged, has_model=False, settings=settings) as node:
            await until_serving(node, "1.0")
            yield node, loop


async def deploy(loop: RunningLoop, version: str) -> None:
    await loop.json("PUT", f"{P}/deployment/target", json={"version": version})


async def exchange_archive(loop: RunningLoop, model_id: str, archive: bytes) -> None:
    """Let the loop hand out this instead of the archive that it has made itself."""
    parts = loop.app.state.loop
    (blob,) = await parts.blobs.write_all([archive])
    async with parts.database.writing() as session:
        row = await session.get(ModelFormatRow, (model_id, "mocked"))
        row.sha256, row.size_bytes = blob.sha256, blob.size_bytes


async def states_at(loop: RunningLoop, expected: list[str]) -> bool:
    """Whether these are the states that the detectors told last."""
    return [detector["state"] for detector in (await loop.json("GET", f"{P}/detectors"))["detectors"]] == expected


async def error_at_loop(loop: RunningLoop, text: str | None) -> bool:
    """Whether the detector's last status at the loop has this error; None for none."""
    (detector,) = (await loop.json("GET", f"{P}/detectors"))["detectors"]
    error = detector["errors"].get("update_model")
    return error is None if text is None else text in (error or "")


async def hashes_at(loop: RunningLoop) -> list[str]:
    return sorted(record["sha256"] for record in await loop.list_images())


async def until_empty(node: RunningNode) -> None:
    await until(lambda: node.node.outbox.status().items == 0)


async def until_serving(node: RunningNode, version: str) -> None:
    async def is_serving() -> bool:
        return await served_version(node) == version

    await until(is_serving)


async def served_version(node: RunningNode) -> str | None:
    async with DetectorClient(node.url) as client:
        model = (await client.about()).model_info
    return model.version if model else None


async def is_deployed(client: DetectorClient, version: str) -> bool:
    return (await client.model_version()).loop_version == version


async def asked_status(node: RunningNode) -> dict[str, Any]:
    async with DetectorClient(node.url) as client:
        return await client.status()


async def has_error(node: RunningNode, text: str) -> bool:
    return text in (await asked_status(node))["errors"].get("deployment_target", "")


async def is_said(node: RunningNode, text: str) -> bool:
    """Whether the status and the page for readiness say this."""
    async with aiohttp.ClientSession() as session, session.get(f"{node.url}/readyz") as answer:
        missing = (await answer.json()).get("missing", {})
    return await has_error(node, text) and f"No model loaded: {text}" in missing.get("model", "")


async def readiness(node: RunningNode) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{node.url}/readyz") as answer:
        return answer.status


# Requests


async def keep_all(client: DetectorClient, pictures: Sequence[bytes]) -> None:
    """Half of them by `upload`, half by `detect`."""
    for number, picture in enumerate(pictures):
        if number % 2:
            await client.upload(picture)
        else:
            await client.detect(picture, autoupload="all")


async def version_of_answer(client: DetectorClient) -> str:
    (box,) = (await client.detect(jpeg(), autoupload="disabled")).box_detections
    return box.model_name


async def upload_status(url: str) -> int:
    return (await post_image(f"{url}/upload", "files"))[0]


async def detect_status(url: str) -> tuple[int, str]:
    return await post_image(f"{url}/detect", "file")


async def post_image(url: str, part: str) -> tuple[int, str]:
    form = aiohttp.FormData()
    form.add_field(part, jpeg(), filename="a.jpg", content_type="image/jpeg")
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        return answer.status, await answer.text()


async def event_reply(url: str, event: str) -> Any:
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(url, socketio_path="/ws/socket.io", transports=["websocket"])
    try:
        return await client.call(event, {"image": {"format": "jpeg", "bytes": jpeg()}}, timeout=10)
    finally:
        await client.disconnect()


def sha256_of(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()


# Disks and archives


def leave_item(lane: Path, name: str, picture: bytes | None, metadata: bytes | None = b"{}") -> None:
    """An item as 0.27 leaves it, or what is left of it."""
    (lane / name).mkdir(parents=True)
    for ending, content in (("jpg", picture), ("json", metadata)):
        if content is not None:
            (lane / name / f"image_{name}.{ending}").write_bytes(content)


def zip_with(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def everything_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("the command mount is missing")
    if mounted.returncode:
        pytest.skip(f"mount of a tmpfs is not permitted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(file: Path) -> None:
    """Take all the room that is left on its disk."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
