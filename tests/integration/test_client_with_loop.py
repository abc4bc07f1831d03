"""The clients against the real loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from learning_loop_node.client.communicator import LoopCommunicator
from learning_loop_node.client.data_exchanger import DataExchanger
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Context, DetectorStatus, ModelInformation
from learning_loop_node.data_classes.codec import to_dict
from learning_loop_node.detector.model_store import ModelStore
from learning_loop_node.detector.model_updates import ModelUpdates
from learning_loop_node.enums import NodeState
from learning_loop_node.errors import InvalidRequestError, LoginRefusedError, NodeError, NotFoundError, RefusedError
from learning_loop_node.settings import DetectorSettings, LoopSettings
from tests.builders import make_category, make_metadata
from tests.clock import ManualClock
from tests.loop import RunningLoop, running_loop

DEMO = Context(organization="zauberzeug", project="demo")


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await running.create_project()
        yield running


def settings_of(loop: RunningLoop, username: str = "admin", password: str = "secret") -> LoopSettings:
    return LoopSettings(
        host=loop.host, username=username, password=SecretStr(password), organization="zauberzeug", project="demo"
    )


@pytest.fixture
async def client(loop: RunningLoop) -> AsyncIterator[LoopClient]:
    async with LoopHttp(settings_of(loop)) as http:
        yield LoopClient(http)


@pytest.fixture
def model_files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "model files"
    folder.mkdir()
    (folder / "model.json").write_text('{"categories": []}')
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 8000)
    return sorted(folder.iterdir())


async def test_projects(client: LoopClient) -> None:
    other = Context(organization="zauberzeug", project="other")
    created = await client.projects.create(other, [make_category("cat")])
    assert [category.name for category in created.categories] == ["cat"]
    assert await client.projects.get(other) == created
    assert sorted(entry.project_id for entry in await client.projects.list()) == ["demo", "other"]
    with pytest.raises(RefusedError):
        await client.projects.create(other)
    with pytest.raises(NotFoundError):
        await client.projects.get(Context(organization="zauberzeug", project="unknown"))


async def test_images(loop: RunningLoop, client: LoopClient, picture: bytes) -> None:
    assert await client.images.list() == []
    metadata = to_dict(make_metadata(tags=["a tag"], source="robot"))
    stored = await loop.post_images([picture], keys=["key-1"], metadata=metadata)
    image = await client.images.get(stored[0]["id"])
    assert [image] == await client.images.list("inbox")
    assert (image.tags, image.source, image.idempotency_key) == (["a tag"], "robot", "key-1")
    assert await client.images.content(image.id) == picture
    with pytest.raises(NotFoundError):
        await client.images.get("unknown")


async def test_a_project_that_does_not_exist_is_not_one_without_a_target(loop: RunningLoop, client: LoopClient) -> None:
    nowhere = LoopClient(client.http, Context(organization="zauberzeug", project="typo"))
    with pytest.raises(NotFoundError, match="no project zauberzeug/typo"):
        await nowhere.deployment.target()


async def test_models(client: LoopClient, model_files: list[Path], tmp_path: Path) -> None:
    assert await client.models.list() == []
    assert await client.deployment.target() is None
    pushed = await client.models.push(model_files, "mocked", version="2.5")
    await client.models.add_format(pushed.id, model_files, "other")
    listed = await client.models.list("other")
    assert [(model.id, model.version) for model in listed] == [(pushed.id, "2.5")]
    await client.deployment.set(version="2.5")
    target = await client.deployment.target()
    assert target is not None
    assert target.model_uuid == pushed.id
    received = await client.models.download(pushed.id, "mocked", tmp_path / "model.zip")
    assert received.is_verified
    with pytest.raises(NotFoundError):
        await client.models.download(pushed.id, "unknown", tmp_path / "model.zip")
    with pytest.raises(NodeError):
        await client.deployment.set(version="9.9")
    with pytest.raises(InvalidRequestError):
        await client.deployment.set()


async def test_files_are_sent_again_after_a_session_has_ended(loop: RunningLoop, model_files: list[Path]) -> None:
    async with LoopHttp(settings_of(loop)) as http:
        await http.ensure_login()
        await end_session(loop, http)
        pushed = await LoopClient(http).models.push(model_files, "mocked")
    communicator = LoopCommunicator(settings_of(loop))
    await communicator.ensure_login()
    await end_session(loop, communicator.http)
    path = f"/zauberzeug/projects/demo/models/{pushed.id}/other/file"
    assert (await communicator.put(path, files=[str(file) for file in model_files])).status_code == 200
    await communicator.shutdown()


async def test_a_broken_download_goes_on_where_it_broke_off(
    client: LoopClient, model_files: list[Path], tmp_path: Path
) -> None:
    pushed = await client.models.push(model_files, "mocked")

    def break_off(_: object) -> None:
        raise RuntimeError("power cut")

    sizes: list[int] = []
    with pytest.raises(RuntimeError):
        await client.models.download(pushed.id, "mocked", tmp_path / "model.zip", on_progress=break_off)
    part = tmp_path / "model.zip.part"
    before = part.stat().st_size
    received = await client.models.download(
        pushed.id, "mocked", tmp_path / "model.zip", on_progress=lambda progress: sizes.append(progress.received_bytes)
    )
    assert received.is_verified
    if before < received.size_bytes:
        assert sizes[0] > before


async def test_detectors(client: LoopClient) -> None:
    status = DetectorStatus(
        uuid="1",
        name="robot",
        state=NodeState.Online,
        uptime=7,
        model_format="mocked",
        current_model="1.0",
        target_model=None,
        errors={"update_model": "no"},
        operation_mode="idle",
    )
    await client.detectors.report(status)
    assert [entry.name for entry in await client.detectors.list()] == ["robot"]


async def test_a_wrong_password(loop: RunningLoop) -> None:
    async with LoopHttp(settings_of(loop, password="wrong")) as http:
        with pytest.raises(LoginRefusedError, match="LOOP_PASSWORD"):
            await LoopClient(http).models.list()


async def test_a_guest_sees_the_deployment_target(
    loop: RunningLoop, client: LoopClient, model_files: list[Path], tmp_path: Path
) -> None:
    """A detector without credentials follows the loop."""
    for version in ("1.0", "1.1"):
        await client.models.push(model_files, "mocked", version=version)
    host, clock = Host(), ManualClock()
    async with LoopHttp(settings_of(loop, username="", password="")) as http:
        updates = ModelUpdates(
            store=ModelStore(tmp_path / "detector"),
            client=LoopClient(http),
            host=host,
            model_format="mocked",
            context=DEMO,
            settings=DetectorSettings(),
            is_idle=lambda: True,
            clock=clock,
        )
        for version in ("1.0", "1.1"):
            await client.deployment.set(version=version)
            clock.stop_after(1)
            with pytest.raises(asyncio.CancelledError):
                await updates.run()
            assert host.loaded is not None
            assert host.loaded.version == version
        assert updates.errors == {}
    restarted = ModelStore(tmp_path / "detector").current()
    assert restarted is not None
    assert (restarted.version, restarted.project) == ("1.1", "demo")


async def test_the_old_classes(loop: RunningLoop, client: LoopClient, model_files: list[Path], tmp_path: Path) -> None:
    pushed = await client.models.push(model_files, "mocked")
    communicator = LoopCommunicator(settings_of(loop))
    assert await communicator.backend_ready()
    exchanger = DataExchanger(DEMO, communicator)
    assert await exchanger.fetch_image_uuids() == []
    files = await exchanger.download_model(str(tmp_path / "model"), DEMO, pushed.id, "mocked")
    assert sorted(Path(file).name for file in files) == ["model.json", "weights.bin"]
    answer = await communicator.get("/zauberzeug/projects/demo/models")
    assert answer.json()["models"][0]["id"] == pushed.id
    await communicator.shutdown()


async def end_session(loop: RunningLoop, http: LoopHttp) -> None:
    """As when a session expires: the client does not know."""
    async with loop.nobody.post("/api/logout", cookies=http.cookies) as answer:
        assert answer.status == 200


@dataclass
class Host:
    """Serves any model."""

    loaded: ModelInformation | None = None

    async def replace(self, information: ModelInformation) -> None:
        self.loaded = information
