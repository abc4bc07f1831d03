"""What programs written for 0.18 to 0.27 do with a trainer, and may go on doing."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from learning_loop_node import GLOBALS, TrainerNode
from learning_loop_node.data_classes import (
    BoxDetection,
    Category,
    Context,
    Detections,
    ErrorConfiguration,
    ModelInformation,
    PretrainedModel,
    Training,
    TrainingStateData,
)
from learning_loop_node.enums import TrainerState
from learning_loop_node.trainer.exceptions import CriticalError, NodeNeedsRestartError, TrainingRefusedError
from learning_loop_node.trainer.executor import Executor
from learning_loop_node.trainer.io_helpers import ActiveTrainingIO, LastTrainingIO
from learning_loop_node.trainer.trainer_logic import TrainerLogic
from learning_loop_node.trainer.trainer_logic_generic import TrainerLogicGeneric
from learning_loop_node.trainer.training_slot import FileTrainingSlot
from tests.clock import HurriedClock, ManualClock
from tests.foreign_loop import PASSWORD, USERNAME
from tests.polling import until
from tests.serving import served
from tests.training_loop import TrainingLoop, training_loop

CONTEXT = Context(organization="zauberzeug", project="demo")
CONFIG: dict[str, Any] = {
    "categories": [{"id": "c-1", "name": "face", "type": "box"}],
    "id": "00000000-0000-0000-0000-000000000012",  # sent by tests, ignored
    "training_number": 1,
    "model_variant": "",
    "hyperparameters": {"resolution": 800, "epochs": 2},
    "base_model_uuid": None,
}
NODE_ID = "NOD30000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Programs are configured by their environment, and by the data folder that they set."""
    monkeypatch.setenv("LOOP_HOST", "127.0.0.1:9")
    monkeypatch.setenv("LOOP_USERNAME", USERNAME)
    monkeypatch.setenv("LOOP_PASSWORD", PASSWORD)
    GLOBALS.data_folder = str(tmp_path)
    return tmp_path


class Hooks:
    """What both kinds of logic need; `history` is what was called."""

    def note(self, name: str) -> None:
        self.__dict__.setdefault("history", []).append(name)

    @property
    def training_progress(self) -> float | None:
        return 0.5

    @property
    def model_architecture(self) -> str | None:
        return "test"

    @property
    def provided_pretrained_models(self) -> list[PretrainedModel]:
        return [PretrainedModel(name="small", label="Small", description="small")]

    def _get_new_best_training_state(self) -> TrainingStateData | None:
        self.note("metrics")
        return TrainingStateData(confusion_matrix={"c-1": {"tp": 1, "fp": 2, "fn": 3}}, epoch=1)

    def _on_metrics_published(self, training_state_data: TrainingStateData) -> None:
        self.note("published")

    async def _clear_training_data(self, training_folder: str) -> None:
        self.note(f"clear {Path(training_folder).name == self.training.id}")  # type: ignore[attr-defined]


class Trainer27(Hooks, TrainerLogic):
    """In the style of 0.27: the check of the log is left out."""

    def __init__(self) -> None:
        super().__init__("mocked")

    async def _start_training_from_base_model(self) -> None:
        await self._start("base")

    async def _start_training_from_scratch(self) -> None:
        await self._start("scratch")

    def _can_resume(self) -> bool:
        return False

    async def _resume(self) -> None:
        await self._start("resume")

    async def _start(self, how: str) -> None:
        self.note(how)
        self._executor = Executor(self.training.training_folder)
        code = "import pathlib, time; time.sleep(0.2); pathlib.Path('weights').write_text('w'); print('trained')"
        await self.executor.start(f'{sys.executable} -c "{code}"')

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        return {"mocked": [f"{self.training.training_folder}/weights"]}

    async def _detect(
        self, model_information: ModelInformation, images: list[str], model_folder: str
    ) -> list[Detections]:
        assert Path(model_folder, "weights").read_text() == "w"  # noqa: ASYNC240
        category, version = model_information.categories[0], model_information.version
        box = BoxDetection(
            category_name=category.name, x=1, y=2, width=3, height=4, model_name=version, confidence=0.9,
            category_id=category.id,
        )  # fmt: skip
        return [Detections(box_detections=[box], image_id=Path(image).stem) for image in images]


class Trainer18(Trainer27):
    """In the style of 0.18: the check of the log is there, a mere list of files, and `stop` is extended."""

    async def stop(self) -> None:
        self.note("stop")
        await super().stop()

    def _get_executor_error_from_log(self) -> str | None:
        return "the log says no" if "no" in self.executor.get_log().split() else None

    async def _get_latest_model_files(self) -> Any:
        return [f"{self.training.training_folder}/weights"]


class GenericTrainer(Hooks, TrainerLogicGeneric):
    """Trains inside the process; a member of its own for each abstract one."""

    def __init__(self) -> None:
        super().__init__("mocked")

    @property
    def detection_progress(self) -> float | None:
        return None

    async def _train(self) -> None:
        self.note("train")
        assert self.hyperparameters["resolution"] == 800
        (self.training.training_folder_path / "weights").write_text("w")

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        return {self.model_format: [str(self.training.training_folder_path / "weights")]}

    async def _do_detections(self) -> None:
        self.note("detect")
        image_id = self.training.image_ids()[0]
        self.active_training_io.save_detections([Detections(image_id=image_id)], index=0)


class NotingNode(TrainerNode):
    """Does not end the process, but notes that it would."""

    ends = 0

    def end_process(self, reason: str, *, status: int = 0) -> None:
        self.ends += 1
        assert status == 0


@asynccontextmanager
async def running_node(logic: TrainerLogicGeneric, loop: TrainingLoop | None = None) -> AsyncIterator[NotingNode]:
    """As tests of programs run it: without a server."""
    logic.clock = HurriedClock(20)
    node = NotingNode(name="test", trainer_logic=logic, uuid=NODE_ID)
    await node._on_startup()
    try:
        if loop is not None:
            await node._ensure_sio_connection()
        yield node
    finally:
        await node._on_shutdown()


@pytest.fixture
async def loop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrainingLoop]:
    async with training_loop() as running:
        monkeypatch.setenv("LOOP_HOST", running.host)
        yield running


# The lists


GENERIC_MEMBERS = """
    model_format errors node training _training hyperparameters active_training_io last_training_io training_context
    training_active state training_uptime general_progress training_task shutdown_event generate_status_for_loop
    begin_training try_continue_run_if_incomplete stop abort on_shutdown training_slot hyperparameters_for_state_sync
    _init_new_training _init_from_last_training _begin_training_task _run _training_loop _perform_state _prepare
    _download_model _sync_training _upload_model _upload_model_return_new_model_uuid _do_detections _clear_training
    _node _last_training_io _active_training_io _environment_vars _dump_model_json _get_model_metadata _may_restart
    _stop_running_training _slot_claim
"""
LOGIC_MEMBERS = """
    executor _executor inference_batch_size start_training_task _detection_progress detection_progress _start_training
    _get_executor_error_from_log
"""
EXECUTOR_MEMBERS = """
    path log_file_path start is_running terminate wait stop_and_wait get_log get_log_by_lines close_log
"""
ACTIVE_MEMBERS = """
    save_model_upload_progress load_model_upload_progress save_uploaded_model_uuid load_uploaded_model_uuid
    get_number_of_detection_files save_detections load_detections delete_detections detections_exist
    save_detections_upload_file_index load_detections_upload_file_index delete_detections_upload_file_index
    detections_upload_file_index_exists save_detection_upload_progress load_detection_upload_progress
    delete_detection_upload_progress detection_upload_progress_exist upload_detetions
    _upload_detections_and_save_progress _upload_detections_batched _get_detection_file_names
    training_folder loop_communicator context
"""


def test_every_member_is_there(tmp_path: Path):
    node = TrainerNode(name="test", trainer_logic=Trainer27(), uuid=NODE_ID)
    logic = node.trainer_logic
    logic._training = training_in(tmp_path)
    logic._active_training_io = ActiveTrainingIO(str(tmp_path), node.loop_communicator, CONTEXT)
    logic._executor = Executor(str(tmp_path))  # type: ignore[attr-defined]
    for thing, names in (
        (logic, GENERIC_MEMBERS + LOGIC_MEMBERS),
        (Executor(str(tmp_path)), EXECUTOR_MEMBERS),
        (logic.active_training_io, ACTIVE_MEMBERS),
        (node.last_training_io, "save load delete exists node_uuid"),
        (node, "trainer_logic last_training_io send_status check_idle_timeout on_startup on_repeat on_shutdown"),
    ):
        assert [name for name in names.split() if not hasattr(thing, name)] == []


def test_what_is_abstract():
    generic = {
        "training_progress", "detection_progress", "model_architecture", "provided_pretrained_models", "_train",
        "_do_detections", "_get_new_best_training_state", "_on_metrics_published", "_get_latest_model_files",
        "_clear_training_data",
    }  # fmt: skip
    started = {"_start_training_from_base_model", "_start_training_from_scratch", "_can_resume", "_resume", "_detect"}
    assert TrainerLogicGeneric.__abstractmethods__ == generic
    assert TrainerLogic.__abstractmethods__ == (generic - {"detection_progress", "_train", "_do_detections"} | started)


AWAITED = """
    _train _do_detections _prepare _download_model _sync_training _upload_model _clear_training_data stop abort
    _upload_model_return_new_model_uuid _clear_training _run _perform_state begin_training on_shutdown
    try_continue_run_if_incomplete _start_training_from_scratch _resume _detect _get_latest_model_files
"""
CALLED = "_init_new_training _init_from_last_training _begin_training_task _can_resume _dump_model_json"


def test_what_is_awaited():
    for name in AWAITED.split():
        assert inspect.iscoroutinefunction(getattr(TrainerLogic, name)), name
    for name in CALLED.split():
        assert not inspect.iscoroutinefunction(getattr(TrainerLogic, name)), name


@pytest.mark.parametrize("member", ["node", "training", "hyperparameters", "active_training_io", "executor"])
def test_what_is_not_there_yet_is_an_assertion_error(member: str):
    with pytest.raises(AssertionError):
        getattr(Trainer27(), member)


# Whole trainings


@pytest.mark.parametrize("cls", [Trainer18, Trainer27, GenericTrainer])
async def test_a_training_of_each_style(cls: Any, loop: TrainingLoop):
    logic = cls()
    async with running_node(logic, loop) as node:
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        assert logic.training_active
        assert node.last_training_io.exists()
        await until(lambda: not logic.training_active)
        assert logic.state == "idle"
        assert not node.last_training_io.exists()
    assert loop.uploads == ["1/mocked"]
    assert logic.history[-1] == "clear True"
    assert "published" in logic.history
    expected = ["i-0"] if cls is GenericTrainer else sorted(loop.images)
    assert sorted(entry["image_id"] for entry in loop.detections) == expected
    assert loop.complaints == []


async def test_a_base_model_is_in_the_folder_when_the_training_starts(loop: TrainingLoop):
    class Continuing(Trainer27):
        async def _start_training_from_base_model(self) -> None:
            folder = self.training.training_folder_path
            assert json.loads((folder / "base_model.json").read_text())["format"] == "mocked"
            assert (folder / "base.weights").read_text() == "base"
            assert not (folder / "model.json").exists()
            await super()._start_training_from_base_model()

    logic = Continuing()
    async with running_node(logic, loop):
        await logic.begin_training("zauberzeug", "demo", CONFIG | {"base_model_uuid": loop.add_base_model()})
        await until(lambda: not logic.training_active)
    assert logic.history[0] == "base"  # type: ignore[attr-defined]


async def test_what_the_log_says_is_an_error(loop: TrainingLoop):
    class Complaining(Trainer18):
        async def _start(self, how: str) -> None:
            self._executor = Executor(self.training.training_folder)
            await self._executor.start('sh -c "echo oh no; sleep 60"')

    logic = Complaining()
    async with running_node(logic, loop):
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        await until(lambda: logic.errors.has_error_for("run_training"))
        assert logic.errors.errors["run_training"] == "the log says no"
        await until(lambda: logic.training.training_state == TrainerState.TrainModelDownloaded)
        assert not logic.executor.is_running()


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("RuntimeError: CUDA out of memory. Tried to allocate", "graphics card is out of memory"),
        ("RuntimeError: CUDA error: invalid device ordinal", "graphics card not found"),
        ("epoch 3", None),
    ],
)
def test_messages_of_cuda_are_recognised(line: str, meaning: str | None, tmp_path: Path):
    logic = Trainer27()
    logic._executor = Executor(str(tmp_path))
    Path(logic._executor.log_file_path).write_text(f"{line}\n" + "more\n" * 49)
    assert logic._get_executor_error_from_log() == meaning


# What tests of programs do: single steps


async def test_single_steps_from_a_training_that_is_set(loop: TrainingLoop, tmp_path: Path):
    """As the test suites of 0.18 to 0.27 go through the states."""
    logic = Trainer27()
    node = TrainerNode(name="test", trainer_logic=logic, uuid=NODE_ID)
    logic._init_new_training(context=CONTEXT, training_config=CONFIG)
    await node._on_startup()
    try:
        assert logic.training.training_state == TrainerState.Initialized
        assert not node.last_training_io.exists()
        node.last_training_io.save(logic.training)
        logic._init_from_last_training()

        seen = asyncio.create_task(states_of(logic, "data_downloading", "data_downloaded"))
        await logic._perform_state("prepare", TrainerState.DataDownloading, TrainerState.DataDownloaded, logic._prepare)
        await seen
        assert node.last_training_io.load().training_state == "data_downloaded"
        assert len(logic.training.image_data or []) == 4
        assert logic.training.skipped_image_count == 0

        logic.training.base_model_uuid = "00000000-0000-0000-0000-000000000000"
        await logic._perform_state(
            "download_model", TrainerState.TrainModelDownloading, TrainerState.TrainModelDownloaded,
            logic._download_model,
        )  # fmt: skip
        assert logic.errors.has_error_for("download_model")
        assert logic.training.training_state == "data_downloaded"
    finally:
        await node._on_shutdown()


async def test_what_a_step_leaves(environment: Path):
    logic = Trainer27()
    logic.clock = HurriedClock(100)
    node = TrainerNode(name="test", trainer_logic=logic, uuid=NODE_ID)
    logic._init_new_training(CONTEXT, CONFIG)
    step = ("key", TrainerState.DataDownloading, TrainerState.DataDownloaded)

    async def fail() -> None:
        raise ValueError("not now")

    await logic._perform_state(*step, fail)
    assert str(logic.training.training_state) == "initialized"
    assert logic.errors.errors == {"key": "not now"}
    assert not node.last_training_io.exists()

    async def look_and_succeed() -> None:
        assert logic.errors.has_error_for("key") is not resets_early

    for resets_early in (False, True):
        logic.errors.set("key", "old")
        await logic._perform_state(*step, look_and_succeed, reset_early=resets_early)
        assert not logic.errors.has_error_for("key")
        assert node.last_training_io.load().training_state == "data_downloaded"

    async def give_up() -> None:
        raise CriticalError("never")

    await logic._perform_state(*step, give_up)
    assert node.last_training_io.load().training_state == "ready_for_cleanup"
    assert logic.errors.errors == {"key": "never"}


async def test_abort_of_a_training_that_is_begun_by_hand(loop: TrainingLoop):
    logic = Trainer27()
    async with running_node(logic, loop) as node:
        logic._init_new_training(CONTEXT, CONFIG)
        node.last_training_io.save(logic.training)
        logic._begin_training_task()
        await until(lambda: logic.training.training_state == TrainerState.TrainingRunning)
        await logic.abort()
        assert logic._training is None
        assert not node.last_training_io.exists()
        assert logic.state == "idle"


async def test_run_as_a_task_of_the_program(loop: TrainingLoop):
    logic = GenericTrainer()
    async with running_node(logic, loop):
        logic._init_new_training(CONTEXT, CONFIG)
        await asyncio.create_task(logic._run())
        assert not logic.training_active
    assert loop.uploads == ["1/mocked"]


async def test_a_generic_trainer_that_is_stopped_discards_unless_it_says_otherwise(loop: TrainingLoop):
    class Endless(GenericTrainer):
        async def _train(self) -> None:
            await asyncio.Event().wait()

    logic = Endless()
    async with running_node(logic, loop):
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        await until(lambda: logic.training_active and logic.state == "running")
        await logic.stop()
        assert not logic.training_active
    assert loop.uploads == []


async def test_a_process_that_needs_a_restart_goes_on_where_it_was(loop: TrainingLoop):
    class Leaking(GenericTrainer):
        async def _train(self) -> None:
            raise NodeNeedsRestartError("the GPU needs a new process")

    logic = Leaking()
    async with running_node(logic, loop) as node:
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        await until(lambda: node.ends == 1)
        assert node.last_training_io.load().training_state == "train_model_downloaded"


async def test_the_slot_is_held_from_acceptance_to_the_end(loop: TrainingLoop, tmp_path: Path):
    logic = Trainer27()
    logic.training_slot = FileTrainingSlot(tmp_path / "gpu")
    sibling = FileTrainingSlot(tmp_path / "gpu")
    async with running_node(logic, loop):
        sibling.claim("node x, training #1 of a/b")
        assert logic.state == "blocked"
        with pytest.raises(TrainingRefusedError):
            await logic.begin_training("zauberzeug", "demo", CONFIG)
        assert not logic.training_active
        sibling.release()
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        assert logic.training_slot.held
        assert sibling.taken_by_sibling
        await until(lambda: not logic.training_active)
        await until(lambda: not sibling.taken_by_sibling)


async def test_a_resumed_training_waits_for_the_slot(loop: TrainingLoop, tmp_path: Path):
    sibling = FileTrainingSlot(tmp_path / "gpu")
    sibling.claim("node x, training #1 of a/b")
    logic = Trainer27()
    logic.training_slot = FileTrainingSlot(tmp_path / "gpu")
    node = TrainerNode(name="test", trainer_logic=logic, uuid=NODE_ID)
    logic._init_new_training(CONTEXT, CONFIG)
    node.last_training_io.save(logic.training)
    logic._training = None
    async with running_node(logic, loop):
        await until(lambda: logic.state == "waiting_for_slot")
        assert logic.generate_status_for_loop(NODE_ID, "test").state == "waiting_for_slot"
        sibling.release()
        await until(lambda: logic.training_active and logic.state not in ("waiting_for_slot", "initialized"))
        await until(lambda: not logic.training_active)
    assert loop.uploads == ["1/mocked"]


# Files of 0.27


async def test_a_training_of_0_27_on_disk_goes_on(loop: TrainingLoop, tmp_path: Path):
    """As 0.27 has written it: with blanks, and the states as they are on the wire."""
    folder = tmp_path / "zauberzeug" / "demo"
    training = folder / "trainings" / "8e7098fc-ff40-40a0-aa3c-31a82b7f6f28"
    training.mkdir(parents=True)
    (folder / "images").mkdir()
    (training / "weights").write_text("w")
    content = {
        "id": training.name, "context": {"organization": "zauberzeug", "project": "demo"},
        "project_folder": str(folder), "images_folder": str(folder / "images"), "training_folder": str(training),
        "categories": [
            {
                "id": "c-1", "name": "face", "description": None, "hotkey": None, "color": None, "point_size": None,
                "type": "box",
            }
        ],
        "hyperparameters": {"resolution": 800}, "training_number": 3, "training_state": "confusion_matrix_synced",
        "model_variant": "", "start_time": 1796020814.0981693, "base_model_uuid": None,
        "image_data": [{"id": "i-0", "set": "train"}], "skipped_image_count": 0, "model_uuid_for_detecting": None,
    }  # fmt: skip
    (tmp_path / f"last_training__{NODE_ID}.json").write_text(json.dumps(content))
    logic = Trainer27()
    async with running_node(logic, loop):
        await until(lambda: "detecting" in loop.states)
        await until(lambda: not logic.training_active)
    assert loop.uploads == ["3/mocked"]
    assert "scratch" not in logic.history  # type: ignore[attr-defined]


def test_the_files_are_those_of_0_27(tmp_path: Path):
    io = LastTrainingIO(NODE_ID)
    io.save(training_in(tmp_path))
    file = tmp_path / f"last_training__{NODE_ID}.json"
    assert set(json.loads(file.read_text())) == {field.name for field in fields(Training)}
    assert io.load() == training_in(tmp_path)
    io.delete()
    io.delete()
    with pytest.raises(FileNotFoundError):
        io.load()


async def test_files_of_an_active_training(tmp_path: Path):
    node = TrainerNode(name="test", trainer_logic=Trainer27(), uuid=NODE_ID)
    io = ActiveTrainingIO(str(tmp_path), node.loop_communicator, CONTEXT)
    assert io.load_model_upload_progress() == []
    assert not io.detections_exist()
    assert io.load_detections_upload_file_index() == io.load_detection_upload_progress() == 0
    with pytest.raises(FileNotFoundError):
        io.load_detections()
    io.save_model_upload_progress(["a", "b"])
    io.save_uploaded_model_uuid("x-y")
    io.save_detections([Detections(image_id="i")])
    io.save_detections([], 1)
    io.save_detections_upload_file_index(1)
    io.save_detection_upload_progress(100)
    assert {file.name: file.read_text() for file in tmp_path.iterdir() if file.suffix == ".txt"} == {  # noqa: ASYNC240
        "model_uploading_progress.txt": "a,b",
        "uploaded_model_uuid.txt": "x-y",
        "detection_uploading_json_index.txt": "1",
        "detection_uploading_progress.txt": "100",
    }
    assert io.get_number_of_detection_files() == 2
    assert io.load_detections() == [Detections(image_id="i")]
    assert [Path(file).name for file in io._get_detection_file_names()] == ["detections_0.json", "detections_1.json"]
    io.delete_detections()
    assert not io.detections_exist()


# yolov5_node


def test_a_training_is_made_by_keyword(tmp_path: Path):
    training = training_in(tmp_path)
    assert training.training_folder_path == tmp_path
    assert training.image_ids() == ["i-0", "i-1"]
    assert (len(training.train_images()), len(training.test_images())) == (1, 1)


async def test_an_executor_by_itself(tmp_path: Path):
    executor = Executor(str(tmp_path), "log.txt")
    await executor.start('bash -c "echo $A"', env={"A": "b"})
    assert await executor.wait() == 0
    assert not executor.is_running()
    assert executor.get_log() == "b\n"
    assert executor.get_log_by_lines(tail=50) == ["b\n"]


# Back door


async def test_back_door_controls(loop: TrainingLoop, environment: Path):
    class Mock(Trainer27):
        provide_new_model = False
        current_iteration = 0
        error_configuration = ErrorConfiguration()

    logic = Mock()
    logic.clock = HurriedClock(20)
    node = TrainerNode("test", logic, NODE_ID, use_backdoor_controls=True)
    async with served(node) as url, aiohttp.ClientSession(url) as http:
        assert await ask(http, "PUT", "/provide_new_model", data="on") == (200, None)
        assert logic.provide_new_model
        assert await ask(http, "PUT", "/error_configuration", json={"save_model": True}) == (200, None)
        assert logic.error_configuration.save_model
        assert (await ask(http, "POST", "/steps", data="2"))[0] == 409
        assert (await ask(http, "POST", "/kill_training_process"))[0] == 409
        assert await ask(http, "POST", "/force_status_update") == (200, None)
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        await until(lambda: logic.state == "running" and logic._executor is not None)
        assert await ask(http, "POST", "/steps", data="2") == (200, None)
        assert logic.current_iteration == 2
        assert await ask(http, "POST", "/reset") == (200, None)
        assert not logic.training_active


async def ask(http: aiohttp.ClientSession, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
    async with http.request(method, path, **arguments) as answer:
        return answer.status, await answer.json()


# Around


async def test_the_process_ends_after_a_training_or_when_idle_if_that_is_wanted(
    loop: TrainingLoop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RESTART_AFTER_TRAINING", "TRUE")
    monkeypatch.setenv("TRAINER_IDLE_TIMEOUT_SEC", "100")
    logic = GenericTrainer()
    async with running_node(logic, loop) as node:
        node.check_idle_timeout()
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        await until(lambda: node.ends == 1)
        assert not logic.training_active
        node.check_idle_timeout()
        assert node.ends == 1
        logic.clock = ManualClock(now=logic.clock.now() + 101)
        node.check_idle_timeout()
        assert node.ends == 2


@pytest.mark.parametrize("keeps", [False, True])
async def test_folders_of_old_trainings(
    keeps: bool, loop: TrainingLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KEEP_OLD_TRAININGS", str(keeps))
    old = tmp_path / "zauberzeug/demo/trainings/old"
    old.mkdir(parents=True)
    logic = GenericTrainer()
    async with running_node(logic, loop):
        await logic.begin_training("zauberzeug", "demo", CONFIG)
        await until(lambda: not logic.training_active)
    assert old.exists() is keeps
    assert len(list((tmp_path / "zauberzeug/demo").glob(".old*"))) == 0


def training_in(folder: Path) -> Training:
    return Training(
        id="some-id",
        context=CONTEXT,
        project_folder=str(folder),
        images_folder=str(folder / "images"),
        training_folder=str(folder),
        categories=[Category(id="c-1", name="face", type="box")],
        hyperparameters={"resolution": 800},
        training_number=1,
        training_state="initialized",
        model_variant="",
        start_time=1.0,
        image_data=[{"id": "i-0", "set": "train"}, {"id": "i-1", "set": "test"}],
    )


async def states_of(logic: TrainerLogicGeneric, *states: str) -> None:
    """Until the training was seen in these states, one after the other."""
    for state in states:
        await until(lambda state=state: logic.training.training_state == state, within_s=5)  # type: ignore[misc]


def test_node_needs_no_effect_when_constructed(environment: Path):
    TrainerNode(name="test", trainer_logic=Trainer27())
    assert list(environment.iterdir()) == []
