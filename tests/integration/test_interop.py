"""Detectors of four releases, each as its users wrote it, with our loop and with one that knows nothing of ours.

Each lives through the same story: it gets its model, detects and keeps images over both transports, reports its
status, follows a new deployment, and goes to a version that it is told. All of them run at the same
time, at their real pace; the tests compare what was seen.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from pydantic import SecretStr

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Category, Context
from learning_loop_node.settings import LoopSettings, environment_for_child
from tests.builders import jpeg, pixels
from tests.child import Child, python_child
from tests.events import connected
from tests.foreign_loop import PASSWORD, USERNAME, ForeignLoop, foreign_loop
from tests.loop import ORGANIZATION, running_loop
from tests.peers import find_peer, need_peer
from tests.polling import until

pytestmark = pytest.mark.timeout(240)  # for all of them together, once

PROGRAMS = Path(__file__).parent / "programs" / "detectors"
OURS = "ours"
NO_IMAGE = b"no image at all"


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody in the story: a program, and the release that runs it."""

    release: str
    program: str
    keeps_bytes: bool = True
    takes_anything: bool = False
    has_login: bool = True

    @property
    def name(self) -> str:
        """Its project, and how the test is called."""
        return f"{self.release}-runs-{self.program}" + ("" if self.has_login else "-without-login")


PARTS = [
    Part("v18", "v18", keeps_bytes=False),
    Part("v20", "v20", keeps_bytes=False),
    Part("v27", "v27", takes_anything=True),
    Part("v27", "v27", takes_anything=True, has_login=False),
    Part(OURS, "v18"),
    Part(OURS, "v20"),
    Part(OURS, "v27"),
]
CAST = [
    *(("our loop", part) for part in PARTS),
    # Ours, and one that shows that the foreign loop is not our invention.
    *(("foreign loop", part) for part in PARTS if part.release in (OURS, "v27") and part.has_login),
]


@dataclass
class Seen:
    """What one of them did."""

    first_version: str = ""
    rest: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    followed: str = ""
    pinned: tuple[int, str] = (0, "")
    status: dict[str, Any] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    image_count: int = 0
    trouble: str = ""


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Part], Seen]:
    folder = tmp_path_factory.mktemp("interop")

    async def perform() -> dict[tuple[str, Part], Seen]:
        async with (
            running_loop(folder) as running,
            OurLoop.of(running.host, running.username, running.password) as ours,
            foreign_loop() as stranger,
        ):
            seen = await perform_all({"our loop": ours, "foreign loop": Foreign(stranger)}, folder)
            assert stranger.complaints == []
            return seen

    return asyncio.run(perform())


@pytest.fixture(
    params=[
        pytest.param(
            entry, id=f"{entry[1].name}-{entry[0]}", marks=[] if entry[1].release == OURS else pytest.mark.peer
        )
        for entry in CAST
    ]
)
def story(request: pytest.FixtureRequest, stories: dict[tuple[str, Part], Seen]) -> tuple[Part, Seen]:
    loop, part = request.param
    if part.release != OURS:
        need_peer(part.release)
    seen = stories[loop, part]
    assert not seen.trouble, seen.trouble
    return part, seen


def test_gets_its_model_and_detects(story: tuple[Part, Seen]):
    _, seen = story
    assert seen.first_version == "1.0"
    for answer in (seen.rest, seen.event):
        [box] = answer["box_detections"]
        assert (box["category_name"], box["model_name"], box["confidence"]) == ("face", "1.0", 0.45)
    assert {"morning", "dry", "seen"} <= set(seen.rest["tags"])
    assert (seen.rest["source"], seen.event["source"]) == ("front camera", "back camera")


def test_uploads_through_its_outbox(story: tuple[Part, Seen]):
    part, seen = story
    assert seen.image_count == 4
    assert {"morning", "dry", "seen", "uncertain"} == set(seen.images["front camera"]["tags"])
    assert {"evening", "seen"} <= set(seen.images["back camera"]["tags"])
    assert "picked_by_system" in seen.images["by hand"]["tags"]
    assert {"picked_by_system", "mine"} == set(seen.images["robot"]["tags"])
    [box] = seen.images["robot"]["box_detections"]
    assert (box["category_name"], box["x"], box["width"], box["confidence"]) == ("face", 1, 3, 0.5)
    hashes = {source: image["sha256"] for source, image in seen.images.items()}
    if part.keeps_bytes:
        assert hashes["front camera"] == sha256(jpeg(seed=1)).hexdigest()
        assert hashes["by hand"] == sha256(jpeg(seed=3)).hexdigest()


def test_reports_its_status(story: tuple[Part, Seen]):
    _, seen = story
    assert (seen.status["name"], seen.status["state"], seen.status["errors"]) == ("brightest", "online", {})
    assert (seen.status["model_format"], seen.status["operation_mode"]) == ("mocked", "idle")
    assert seen.status["current_model"] == "1.1"


def test_follows_the_deployment_and_pins_a_version(story: tuple[Part, Seen]):
    part, seen = story
    assert seen.followed == "1.1"
    assert seen.versions["loop_version"] == "1.1"
    assert {"1.0", "1.1"} <= set(seen.versions["local_versions"])
    # Only who is logged in may look for a version among all models.
    assert seen.pinned == ((200, "1.0") if part.has_login else (400, "1.1"))


# The two loops


class AnyLoop(Protocol):
    """What the story needs from a loop."""

    username: str
    password: str

    @property
    def host(self) -> str: ...

    async def begin(self, project: str) -> None: ...

    async def deploy(self, project: str, version: str) -> None: ...

    async def images(self, project: str) -> list[dict[str, Any]]: ...

    async def statuses(self, project: str) -> list[dict[str, Any]]: ...


@dataclass
class OurLoop:
    """Ours, through the client that everybody uses."""

    http: LoopHttp
    host: str
    username: str
    password: str

    @classmethod
    @asynccontextmanager
    async def of(cls, host: str, username: str, password: str) -> AsyncIterator[OurLoop]:
        async with LoopHttp(LoopSettings(host=host, username=username, password=SecretStr(password))) as http:
            yield cls(http, host, username, password)

    def _client(self, project: str) -> LoopClient:
        return LoopClient(self.http, Context(organization=ORGANIZATION, project=project))

    async def begin(self, project: str) -> None:
        client = self._client(project)
        await client.projects.create(client.context, [Category(id="face-id", name="face", type="box")])

    async def deploy(self, project: str, version: str) -> None:
        client = self._client(project)
        await client.models.push([PROGRAMS / "file_1.txt"], "mocked", version=version)
        await client.deployment.set(version=version)

    async def images(self, project: str) -> list[dict[str, Any]]:
        client = self._client(project)
        return [image.data for image in await client.images.get_many(await client.images.ids())]

    async def statuses(self, project: str) -> list[dict[str, Any]]:
        path = f"/{ORGANIZATION}/projects/{project}/detectors"
        return list((await self.http.json("GET", path))["detectors"])


@dataclass
class Foreign:
    """The other one."""

    loop: ForeignLoop
    username: str = USERNAME
    password: str = PASSWORD

    @property
    def host(self) -> str:
        return self.loop.host

    async def begin(self, project: str) -> None:
        """A project begins with its first model."""

    async def deploy(self, project: str, version: str) -> None:
        self.loop.add_model(project, version)

    async def images(self, project: str) -> list[dict[str, Any]]:
        return self.loop.projects[project].images

    async def statuses(self, project: str) -> list[dict[str, Any]]:
        return self.loop.projects[project].statuses


# The story


async def perform_all(loops: dict[str, AnyLoop], folder: Path) -> dict[tuple[str, Part], Seen]:
    """All those whose release is installed, at once; what went wrong with one is noted with it."""
    seen = {(loop, part): Seen() for loop, part in CAST if part.release == OURS or find_peer(part.release)}

    async def perform(loop: AnyLoop, part: Part, place: Path, notes: Seen) -> None:
        await loop.begin(part.name)
        await loop.deploy(part.name, "1.0")
        place.mkdir(parents=True)  # noqa: ASYNC240
        async with process_of(part, loop, place) as child:
            try:
                await live_through(part, loop, child.url, notes)
                child.send(signal.SIGTERM)
                status = await child.status(within_s=20)
                assert part.release != OURS or status == 0, status
            except Exception as error:
                notes.trouble = f"{error!r}\n{notes}\n{child.output[-3000:]}"

    async with asyncio.TaskGroup() as group:
        for (loop, part), notes in seen.items():
            group.create_task(perform(loops[loop], part, folder / loop / part.name, notes))
    return seen


async def live_through(part: Part, loop: AnyLoop, url: str, seen: Seen) -> None:
    project = part.name
    async with aiohttp.ClientSession(url) as node:
        await until_version(node, "1.0")
        seen.first_version = await version_of(node)

        headers = {"camera-id": "front", "tags": "morning,dry", "source": "front camera"}
        seen.rest = await post(node, "/detect", "file", jpeg(seed=1), headers=headers)
        await post(node, "/upload", "files", jpeg(seed=3), params={"source": "by hand"})
        async with connected(url) as events:
            details = {"camera_id": "back", "tags": ["evening"], "source": "back camera", "autoupload": "all"}
            seen.event = await events.call("detect", {"image": raw(2), **details})
            assert await events.call("upload", {"image": raw(4), "metadata": metadata()}) == {"status": "OK"}
        if part.takes_anything:
            await post(node, "/upload", "files", NO_IMAGE, params={"source": "nonsense"})

        await loop.deploy(project, "1.1")
        await until_version(node, "1.1")
        seen.followed = (await post(node, "/detect", "file", jpeg(seed=1), headers={"autoupload": "disabled"}))[
            "box_detections"
        ][0]["model_name"]
        await until(lambda: has_images(loop, project, 4), within_s=60)

        seen.versions = await get(node, "/model_version")
        await until(lambda: is_reported(loop, project, "1.1", seen), within_s=60)
        async with node.put("/model_version", data="1.0") as answer:
            status = answer.status
        if status == 200:
            await until_version(node, "1.0")
        seen.pinned = (status, await version_of(node))
        images = await loop.images(project)
        seen.images = {image["source"]: image for image in images}
        seen.image_count = len(images)


@asynccontextmanager
async def process_of(part: Part, loop: AnyLoop, folder: Path) -> AsyncIterator[Child]:
    """Started as its users do, with a folder of its own and a status every 5 s."""
    login = {"LOOP_USERNAME": loop.username, "LOOP_PASSWORD": loop.password} if part.has_login else {}
    environment = environment_for_child(
        LOOP_HOST=loop.host,
        LOOP_ORGANIZATION=ORGANIZATION,
        LOOP_PROJECT=part.name,
        DATA_FOLDER=str(folder),
        SYNC_CYCLES="1",
        PORT="0",
        **login,
    )
    arguments = ["main.py", "--host", "127.0.0.1", "--port", "0"] if part.program == "v27" else ["main.py"]
    interpreter: dict[str, Any] = {} if part.release == OURS else {"interpreter": find_peer(part.release)}
    running_on = r"running on (http://\S+)"
    async with python_child(
        *arguments,
        environment=environment,
        address=running_on,
        ready=running_on,
        folder=PROGRAMS / part.program,
        **interpreter,
    ) as child:
        yield child


def raw(seed: int) -> dict[str, Any]:
    array = pixels(seed=seed)
    return {"bytes": array.tobytes(), "dtype": "uint8", "shape": array.shape}


def metadata() -> dict[str, Any]:
    box = {"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4, "model_name": "1.0", "confidence": 0.5}
    return {"source": "robot", "tags": ["mine"], "box_detections": [box]}


async def post(node: aiohttp.ClientSession, path: str, part: str, image: bytes, **arguments: Any) -> Any:
    form = aiohttp.FormData()
    form.add_field(part, image, filename="image.jpg", content_type="image/jpeg")
    async with node.post(path, data=form, **arguments) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def get(node: aiohttp.ClientSession, path: str) -> Any:
    async with node.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def version_of(node: aiohttp.ClientSession) -> str:
    information = (await get(node, "/about"))["model_info"]
    return str(information["version"]) if isinstance(information, dict) else ""


async def until_version(node: aiohttp.ClientSession, version: str) -> None:
    async def is_there() -> bool:
        await asyncio.sleep(0.1)
        return await version_of(node) == version

    await until(is_there, within_s=60)


async def has_images(loop: AnyLoop, project: str, count: int) -> bool:
    await asyncio.sleep(0.1)
    return len(await loop.images(project)) >= count


async def is_reported(loop: AnyLoop, project: str, version: str, seen: Seen) -> bool:
    await asyncio.sleep(0.1)
    statuses = await loop.statuses(project)
    seen.status = statuses[-1] if statuses else {}
    return bool(seen.status.get("current_model") == version)
