"""Trainers of three releases, each as its users wrote it, with our loop.

Each lives through the same trainings: one to its end, one that goes on from the model of the first, one that is
stopped and one that is aborted; and with a second loop, one in whose middle the loop ends and comes back. All trainers
run at the same time, at their real pace; the tests compare what was seen.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.settings import environment_for_child
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, RunningLoop, running_loop
from tests.peers import find_peer, need_peer
from tests.polling import until

pytestmark = pytest.mark.timeout(600)  # for all of them together, once

PROGRAMS = Path(__file__).parent / "programs" / "trainers"
OURS = "ours"
COMPLETE, INBOX = 6, 2
QUICK = {"epochs": 3, "seconds_per_epoch": 0.5, "resolution": 640}
ENDLESS = {"epochs": 10_000, "seconds_per_epoch": 0.2}
IN_THE_MIDDLE = {"epochs": 40, "seconds_per_epoch": 0.25}


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody in the story: a program, and the release that runs it."""

    release: str
    program: str

    @property
    def name(self) -> str:
        """Its project, and how the test is called."""
        return f"{self.release}-runs-{self.program}"

    @property
    def knows_abort(self) -> bool:
        return self.release != "v18"


PARTS = [Part("v18", "v18"), Part("v27", "v27"), Part("v27", "v18"), Part(OURS, "v18"), Part(OURS, "v27")]


@dataclass
class Seen:
    """What came of the trainings of one of them."""

    whole: dict[str, Any] = field(default_factory=dict)
    continued: dict[str, Any] = field(default_factory=dict)
    stopped: dict[str, Any] = field(default_factory=dict)
    aborted: dict[str, Any] = field(default_factory=dict)
    interrupted: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    information: dict[str, Any] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)
    sets: tuple[int, int] = (0, 0)
    log: str = ""
    trouble: str = ""


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[Part, Seen]:
    return asyncio.run(perform_all(tmp_path_factory.mktemp("trainers")))


@pytest.fixture(
    params=[pytest.param(part, id=part.name, marks=[] if part.release == OURS else pytest.mark.peer) for part in PARTS]
)
def story(request: pytest.FixtureRequest, stories: dict[Part, Seen]) -> tuple[Part, Seen]:
    part: Part = request.param
    if part.release != OURS:
        need_peer(part.release)
    seen = stories[part]
    assert not seen.trouble, seen.trouble
    return part, seen


def test_a_training_ends_as_a_model(story: tuple[Part, Seen]):
    part, seen = story
    assert (seen.whole["state"], seen.whole["number"], seen.whole["error"]) == ("finished", 1, None)
    assert seen.whole["trainer"]["name"] == part.name
    assert seen.whole["model"]["version"] == "1.0"
    assert set(seen.whole["model"]["formats"]) == {"mocked", "mocked_export"}
    assert (seen.whole["train_image_count"], seen.whole["test_image_count"]) == seen.sets
    assert seen.whole["best_epoch"] == 3
    assert list(seen.whole["confusion_matrix"].values()) == [{"tp": 3, "fp": 1, "fn": 2}]
    assert seen.epochs
    assert seen.epochs[-1]["epoch"] == 3


def test_its_model_says_what_detectors_need(story: tuple[Part, Seen]):
    part, seen = story
    assert (seen.information["resolution"], seen.information["model_size"]) == (640, "small")
    assert (seen.information["version"], seen.information["format"]) == ("1.0", "mocked")
    assert [category["type"] for category in seen.information["categories"]] == ["box"]
    if part.program == "v27":
        assert seen.information["conf_threshold"] == 0.25


def test_every_image_has_its_detections_once(story: tuple[Part, Seen]):
    _, seen = story
    assert len(seen.found) == COMPLETE + INBOX
    assert set(map(tuple, seen.found.values())) == {("1.0",)}


def test_another_training_goes_on_from_its_model(story: tuple[Part, Seen]):
    _, seen = story
    assert (seen.continued["state"], seen.continued["model"]["version"]) == ("finished", "1.1")
    assert seen.continued["base_model"]["version"] == "1.0"
    assert [model["version"] for model in seen.models][:2] == ["1.0", "1.1"]


def test_a_stopped_training_keeps_its_model(story: tuple[Part, Seen]):
    _, seen = story
    assert (seen.stopped["state"], seen.stopped["model"]["version"]) == ("finished", "2.0")


def test_an_aborted_training_leaves_nothing(story: tuple[Part, Seen]):
    part, seen = story
    if not part.knows_abort:
        pytest.skip("0.18 knows no abort")
    assert (seen.aborted["state"], seen.aborted["model"]) == ("aborted", None)
    assert [model["version"] for model in seen.models] == ["1.0", "1.1", "2.0"]


def test_a_training_survives_the_end_of_its_loop(story: tuple[Part, Seen]):
    _, seen = story
    assert (seen.interrupted["state"], seen.interrupted["error"]) == ("finished", None)
    assert seen.interrupted["model"]["version"] == "1.0"
    assert set(seen.interrupted["model"]["formats"]) == {"mocked", "mocked_export"}


def test_our_trainer_shows_its_log(story: tuple[Part, Seen]):
    part, seen = story
    if part.release != OURS:
        pytest.skip("only ours sends it")
    assert "epoch 3" in seen.log


# The stories


async def perform_all(folder: Path) -> dict[Part, Seen]:
    """All those whose release is installed, at once; what went wrong with one is noted with it."""
    seen = {part: Seen() for part in PARTS if part.release == OURS or find_peer(part.release)}
    async with asyncio.TaskGroup() as group:  # most of their time, trainers wait
        group.create_task(with_a_steady_loop(folder / "steady", seen))
        group.create_task(with_a_shaky_loop(folder / "shaky", seen))
    return seen


async def with_a_steady_loop(folder: Path, seen: dict[Part, Seen]) -> None:
    async with running_loop(folder) as loop:
        await at_once(loop, folder, seen, live_through)


async def with_a_shaky_loop(folder: Path, seen: dict[Part, Seen]) -> None:
    """It ends while each of them trains, and comes back."""
    async with running_loop(folder) as loop:
        port = int(loop.host.rpartition(":")[2])
        running = {part: trainer(loop, part, folder / part.name) for part in seen}
        children = {part: await context.__aenter__() for part, context in running.items()}
        numbers = {part: await begin(loop, part, IN_THE_MIDDLE) for part in seen}
        for part, number in numbers.items():
            await noted(seen[part], children[part], until(is_running(loop, part, number), within_s=90))
    async with running_loop(folder, port=port) as loop:
        for part, number in numbers.items():
            await noted(seen[part], children[part], is_back(loop, part, number, seen[part]))
        for part, context in running.items():
            children[part].send(signal.SIGTERM)
            await context.__aexit__(None, None, None)


async def at_once(
    loop: RunningLoop, folder: Path, seen: dict[Part, Seen], live: Callable[[RunningLoop, Part, Seen], Any]
) -> None:
    async def perform(part: Part, notes: Seen) -> None:
        async with trainer(loop, part, folder / part.name) as child:
            await noted(notes, child, live(loop, part, notes))
            child.send(signal.SIGTERM)
            status = await child.status(within_s=30)
            assert part.release != OURS or status == 0, child.output

    async with asyncio.TaskGroup() as group:
        for part, notes in seen.items():
            group.create_task(perform(part, notes))


async def noted(seen: Seen, child: Child, story: Any) -> None:
    try:
        await story
    except Exception as error:
        seen.trouble = seen.trouble or f"{error!r}\n{seen}\n{child.output[-5000:]}"


async def live_through(loop: RunningLoop, part: Part, seen: Seen) -> None:
    project = f"/{ORGANIZATION}/projects/{part.name}"
    seen.whole = await ended(loop, part, await begin(loop, part, QUICK))
    number = seen.whole["number"]
    seen.epochs = (await loop.json("GET", f"{project}/trainings/{number}/metrics"))["epochs"]
    seen.log = (await loop.json("GET", f"{project}/trainings/{number}/log"))["text"]
    seen.information = await model_json(loop, part, seen.whole["model"]["id"])
    images = await records(loop, part)
    seen.found = {image["id"]: [box["model_name"] for box in image["box_detections"]] for image in images}
    sets = [image["set"] for image in images if image["state"] == "complete"]
    seen.sets = (sets.count("train"), sets.count("test"))

    seen.continued = await ended(loop, part, await begin(loop, part, QUICK, base_model="1.0"))

    number = await begin(loop, part, ENDLESS)
    await until(is_running(loop, part, number), within_s=60)
    await loop.json("POST", f"{project}/trainings/{number}/stop")
    seen.stopped = await ended(loop, part, number)

    if part.knows_abort:
        number = await begin(loop, part, ENDLESS)
        await until(is_running(loop, part, number), within_s=60)
        await loop.json("POST", f"{project}/trainings/{number}/abort")
        seen.aborted = await ended(loop, part, number)
    seen.models = (await loop.json("GET", f"{project}/models"))["models"]


async def is_back(loop: RunningLoop, part: Part, number: int, seen: Seen) -> None:
    seen.interrupted = await ended(loop, part, number)


async def begin(loop: RunningLoop, part: Part, hyperparameters: dict[str, Any], **others: Any) -> int:
    trainers: list[dict[str, Any]] = []

    async def is_there() -> bool:
        nodes = (await loop.json("GET", "/nodes"))["nodes"]
        trainers[:] = [entry for entry in nodes if entry["name"] == part.name]
        await asyncio.sleep(0.1)
        return bool(trainers)

    await until(is_there, within_s=60)
    body = {"model_variant": "small", "hyperparameters": hyperparameters, "trainer": trainers[0]["id"]} | others
    training = await loop.json("POST", f"/{ORGANIZATION}/projects/{part.name}/trainings", json=body)
    return int(training["number"])


async def ended(loop: RunningLoop, part: Part, number: int) -> dict[str, Any]:
    training: dict[str, Any] = {}

    async def is_over() -> bool:
        training.update(await loop.json("GET", f"/{ORGANIZATION}/projects/{part.name}/trainings/{number}"))
        await asyncio.sleep(0.1)
        return training["state"] in ("finished", "failed", "aborted")

    try:
        await until(is_over, within_s=120)
    except TimeoutError as error:
        raise AssertionError(f"the training does not end: {training}") from error
    return training


def is_running(loop: RunningLoop, part: Part, number: int) -> Callable[[], Any]:
    async def check() -> bool:
        training = await loop.json("GET", f"/{ORGANIZATION}/projects/{part.name}/trainings/{number}")
        await asyncio.sleep(0.1)
        assert training["state"] not in ("finished", "failed", "aborted"), training
        return training["trainer_state"] == "running" and bool(training["best_epoch"])

    return check


async def model_json(loop: RunningLoop, part: Part, model_id: str) -> dict[str, Any]:
    path = f"/api/{ORGANIZATION}/projects/{part.name}/models/{model_id}/mocked/file"
    async with loop.admin.get(path) as answer:
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    return dict(json.loads(archive.read("model.json")))


async def records(loop: RunningLoop, part: Part) -> list[dict[str, Any]]:
    """What the loop knows of all images of the project."""
    project = f"/{ORGANIZATION}/projects/{part.name}"
    ids = (await loop.json("GET", f"{project}/data"))["image_ids"]
    return list((await loop.json("GET", f"{project}/images?ids={','.join(ids)}"))["images"])


@asynccontextmanager
async def trainer(loop: RunningLoop, part: Part, folder: Path) -> AsyncIterator[Child]:
    """Started as its users do, with a project and a folder of its own."""
    generated = {
        "project_name": part.name,
        "complete": COMPLETE,
        "inbox": INBOX,
        "box_categories": 1,
        "image_style": "plain",
        "width": 320,
        "height": 240,
    }
    await loop.json("POST", f"/{ORGANIZATION}/projects/generator", json=generated)
    folder.mkdir(parents=True)  # noqa: ASYNC240
    environment = environment_for_child(
        LOOP_HOST=loop.host,
        LOOP_USERNAME=loop.username,
        LOOP_PASSWORD=loop.password,
        DATA_FOLDER=str(folder),
        NODE_NAME=part.name,
        PORT="0",
    )
    interpreter, *arguments = started(part, folder)
    running_on = r"running on (http://\S+)"
    async with python_child(
        *arguments,
        environment=environment,
        address=running_on,
        ready=running_on,
        folder=PROGRAMS / part.program,
        interpreter=interpreter,
    ) as child:
        yield child


def started(part: Part, folder: Path) -> list[str]:
    """How the program is started.

    Releases of the predecessor all write the same /tmp/model.json before they upload it. Here, where several run side
    by side, each sees a file of its own there, if the system lets us arrange that.
    """
    interpreter = sys.executable if part.release == OURS else str(find_peer(part.release))
    command = [interpreter, "main.py", *(["--host", "127.0.0.1", "--port", "0"] if part.program == "v27" else [])]
    own, shared = folder / "model.json", Path("/tmp/model.json")
    alone = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else []), "sh", "-c"]
    alone += ['mount --bind "$0" "$1" && shift && exec "$@"', str(own), str(shared)]
    if part.release == OURS:
        return command
    own.touch()
    shared.touch()
    can_be_alone = shutil.which("unshare") and subprocess.run([*alone, "true"], capture_output=True).returncode == 0
    return [*alone, *command] if can_be_alone else command
