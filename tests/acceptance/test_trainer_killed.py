"""A trainer that is killed in each state of a training, the loop there or away: nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.data_classes.codec import from_json
from learning_loop_node.settings import environment_for_child
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, RunningLoop, running_loop
from tests.polling import until
from tests.proxy import Proxy, proxy_to

pytestmark = pytest.mark.timeout(300)  # for all of them together, once

PROGRAM = "tests.acceptance.programs.halting"
HYPERPARAMETERS = {"epochs": 3, "seconds_per_epoch": 0.1}
COMPLETE, INBOX = 4, 1
AT_ONCE = 5

STATES = {
    "data_downloading": "initialized",
    "train_model_downloading": "data_downloaded",
    "running": "train_model_downloaded",
    "confusion_matrix_syncing": "training_finished",
    "train_model_uploading": "confusion_matrix_synced",
    "detecting": "train_model_uploaded",
    "detection_uploading": "detected",
}
"""Each state in which work is done, and the one that is noted on the disk meanwhile."""


@dataclass(frozen=True, slots=True)
class Death:
    """Where a trainer dies, and whether the loop is away then."""

    state: str
    moment: str
    loop_is_away: bool

    @property
    def name(self) -> str:
        return f"{self.state}-{self.moment}-{'away' if self.loop_is_away else 'there'}"


DEATHS = [
    *(Death(state, "after", loop_is_away=False) for state in STATES),
    *(Death(state, "before", loop_is_away=True) for state in STATES),
]
"""Other moments are tried with a stand-in for the loop, by `integration/test_trainer_killed.py`."""


@dataclass
class Seen:
    """What came of the training."""

    noted: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    models: list[dict[str, Any]] = field(default_factory=list)
    detections: dict[str, int] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    trouble: str = ""


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> dict[Death, Seen]:
    folder = tmp_path_factory.mktemp("killed")

    async def perform() -> dict[Death, Seen]:
        seen = {death: Seen() for death in DEATHS}
        turns = asyncio.Semaphore(AT_ONCE)  # each starts several processes
        async with running_loop(folder) as loop, asyncio.TaskGroup() as group:
            for death, notes in seen.items():
                group.create_task(live_die_and_go_on(loop, death, folder / death.name, notes, turns))
        return seen

    return asyncio.run(perform())


@pytest.mark.parametrize("death", DEATHS, ids=[death.name for death in DEATHS])
def test_a_killed_trainer_goes_on_where_it_was(death: Death, fates: dict[Death, Seen]):
    seen = fates[death]
    assert not seen.trouble, seen.trouble
    assert seen.noted == STATES[death.state]
    assert (seen.training["state"], seen.training["error"]) == ("finished", None)
    [model] = seen.models
    assert (model["version"], sorted(model["formats"])) == ("1.0", ["mocked", "mocked_export"])
    assert seen.detections == dict.fromkeys(seen.detections, 1)
    assert len(seen.detections) == COMPLETE + INBOX
    assert seen.training["best_epoch"] == 3
    assert list(Counter(seen.epochs).values()) == [1] * len(seen.epochs), "each epoch's metrics once"
    assert seen.left_over == []


async def live_die_and_go_on(
    loop: RunningLoop, death: Death, folder: Path, seen: Seen, turns: asyncio.Semaphore
) -> None:
    async with turns, proxy_to(loop.host) as proxy:
        child: Child | None = None
        try:
            await make_project(loop, death)
            await asyncio.to_thread(folder.mkdir, parents=True)
            async with trainer(loop, proxy, death, folder, halt_at=f"{death.state}:{death.moment}") as child:
                number = await begin(loop, death)
                await until((folder / "halted").exists, within_s=60)
                if death.loop_is_away:
                    await proxy.go_away()
                child.send(signal.SIGKILL)
                await child.status(within_s=10)
            seen.noted = noted_state(folder)
            async with trainer(loop, proxy, death, folder) as child:
                if death.loop_is_away:
                    await until(lambda: "no connection to the loop" in child.output, within_s=60)
                    proxy.is_away = False
                await look(loop, death, number, seen)
                child.send(signal.SIGTERM)
                assert await child.status(within_s=20) == 0
            seen.left_over = await asyncio.to_thread(left_over, folder)
        except Exception as error:
            seen.trouble = f"{error!r}\n{seen}\n{child.output[-5000:] if child else ''}"


async def make_project(loop: RunningLoop, death: Death) -> None:
    generated = {
        "project_name": death.name,
        "complete": COMPLETE,
        "inbox": INBOX,
        "box_categories": 1,
        "image_style": "plain",
        "width": 160,
        "height": 120,
    }
    await loop.json("POST", f"/{ORGANIZATION}/projects/generator", json=generated)


async def begin(loop: RunningLoop, death: Death) -> int:
    found: list[str] = []

    async def is_there() -> bool:
        nodes = (await loop.json("GET", "/nodes"))["nodes"]
        found[:] = [entry["id"] for entry in nodes if entry["name"] == death.name]
        await asyncio.sleep(0.05)
        return bool(found)

    await until(is_there, within_s=60)
    body = {"model_variant": "small", "hyperparameters": HYPERPARAMETERS, "trainer": found[0]}
    training = await loop.json("POST", f"/{ORGANIZATION}/projects/{death.name}/trainings", json=body)
    return int(training["number"])


async def look(loop: RunningLoop, death: Death, number: int, seen: Seen) -> None:
    """Wait until the training is over, and note what the loop has of it."""
    project = f"/{ORGANIZATION}/projects/{death.name}"

    async def is_over() -> bool:
        seen.training = await loop.json("GET", f"{project}/trainings/{number}")
        await asyncio.sleep(0.05)
        return seen.training["state"] in ("finished", "failed", "aborted")

    await until(is_over, within_s=120)
    seen.models = (await loop.json("GET", f"{project}/models"))["models"]
    seen.epochs = [
        entry["epoch"] for entry in (await loop.json("GET", f"{project}/trainings/{number}/metrics"))["epochs"]
    ]
    ids = (await loop.json("GET", f"{project}/data"))["image_ids"]
    images = (await loop.json("GET", f"{project}/images?ids={','.join(ids)}"))["images"]
    seen.detections = {image["id"]: len(image["box_detections"]) for image in images}


def noted_state(folder: Path) -> str:
    [file] = folder.glob("last_training__*.json")
    return str(from_json(file.read_bytes())["training_state"])


def left_over(folder: Path) -> list[str]:
    """What of the training is still on the disk that only an unfinished one needs."""
    kept = [*folder.glob("last_training__*.json"), *folder.rglob("detections_*.json")]
    return [file.name for file in kept]


@asynccontextmanager
async def trainer(
    loop: RunningLoop, proxy: Proxy, death: Death, folder: Path, *, halt_at: str = ""
) -> AsyncIterator[Child]:
    environment = environment_for_child(
        LOOP_HOST=proxy.host,
        LOOP_USERNAME=loop.username,
        LOOP_PASSWORD=loop.password,
        DATA_FOLDER=str(folder),
        NODE_NAME=death.name,
        HALT_AT=halt_at,
    )
    arguments = ("-m", PROGRAM, "--host", "127.0.0.1", "--port", "0")
    running_on = r"running on (http://\S+)"
    async with python_child(*arguments, environment=environment, address=running_on, ready=running_on) as child:
        yield child
