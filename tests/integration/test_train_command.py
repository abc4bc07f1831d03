"""`learning-loop train`, `trainings`, `nodes` and `models show|compare|rule`, with a scripted trainer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from tests.builders import jpeg
from tests.loop import P, RunningLoop, running_loop
from tests.node_clients import ScriptedTrainer, scripted_trainer
from tests.polling import until

pytestmark = pytest.mark.timeout(120)

FACE = {"category_name": "face", "x": 10, "y": 10, "width": 20, "height": 20}
SMALL = {"name": "small", "label": "Small", "description": "quick"}
LARGE = {"name": "large", "label": "Large", "description": "good"}


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    """A project with two images to train with and two to test with; commands know it and its login."""
    for name in ("LOOP_TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    async with running_loop(tmp_path) as running:
        await running.create_project(["face", "eye"])
        for number, set_ in enumerate(("train", "train", "test", "test")):
            marks = {"box_annotations": [FACE] if number else [FACE, FACE | {"category_name": "eye"}]}
            metadata = {"id": f"image-{number}", "set": set_, "state": "complete"} | marks
            await running.post_images([jpeg(seed=number)], metadata=metadata)
        values = {"HOST": running.host, "ORGANIZATION": "zauberzeug", "PROJECT": "demo"}
        for name, value in (values | {"USERNAME": "admin", "PASSWORD": "secret"}).items():
            monkeypatch.setenv(f"LOOP_{name}", value)
        yield running


@pytest.fixture
async def trainer(loop: RunningLoop) -> AsyncIterator[ScriptedTrainer]:
    async with scripted_trainer(loop) as connected:
        await connected.say("idle")
        yield connected


async def test_a_training_is_watched_to_its_model(loop: RunningLoop, trainer: ScriptedTrainer):
    parameters = ["--param", "epochs=3", "--param", "resolution=640", "--param", 'mode="fast"']
    watching = asyncio.create_task(run("train", *parameters, "--category", "face", "--description", "first"))
    details = await trainer.begun()
    assert details["hyperparameters"] == {"epochs": 3, "resolution": 640, "mode": "fast"}
    assert details["model_variant"] == "small", "the only one that is offered"
    assert [category["name"] for category in details["categories"]] == ["face"]
    await work(loop, trainer, details, right=2)
    result = await watching
    assert result.exit_code == ExitStatus.OK, result.output
    assert result.stdout.splitlines() == [
        "training 1 is finished; model 1.0 (mocked)",
        "macro F1 on 2 test images: 1.000",
        "`learning-loop models deploy 1.0` lets detectors run it",
    ]
    told = result.stderr.splitlines()
    assert "epoch 1: macro F1 0.750, face 0.750" in told
    assert any(line.startswith("training at Trainer 1") for line in told)

    await run("models", "deploy", "1.0")
    again = await run("trainings", "watch", 1)
    assert again.exit_code == ExitStatus.OK, again.output
    assert again.stdout.splitlines()[1:] == ["macro F1 on 2 test images: 1.000", "it is deployed"]


async def test_what_goes_wrong_is_told_with_the_log(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small"))
    number = (await trainer.begun())["training_number"]
    await trainer.say("running", progress=0.1)
    await loop.json("POST", f"{P}/trainings/{number}/log", json={"text": "epoch 1\nCUDA out of memory\n"})
    await trainer.say("ready_for_cleanup", errors={"run_training": "no GPU memory"})
    await trainer.say("idle")
    result = await watching
    assert result.exit_code == ExitStatus.FAILED, result.output
    assert result.stdout == ""
    assert "CUDA out of memory" in result.stderr
    assert "training 1 failed: run_training: no GPU memory" in result.stderr
    assert "learning-loop trainings retry 1" in result.stderr

    again = await run("trainings", "retry", number, "--json")
    assert (json.loads(again.stdout)["number"], json.loads(again.stdout)["retry_of"]) == (2, 1)
    assert (await trainer.begun(2))["training_number"] == 2


async def test_a_training_that_somebody_aborts_is_no_success(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small", "--json"))
    await trainer.begun()
    await trainer.say("running")
    await loop.json("POST", f"{P}/trainings/1/abort")
    await until(lambda: trainer.events("abort_training") > 0)
    await trainer.say("idle")
    result = await watching
    assert result.exit_code == ExitStatus.FAILED
    assert json.loads(result.stdout)["state"] == "aborted"
    assert "training 1 is aborted" in result.stderr


async def test_the_rule_decides_before_the_command_ends(loop: RunningLoop, trainer: ScriptedTrainer):
    assert "off: people deploy new models" in (await run("models", "rule")).stdout
    shown = await run("models", "rule", "--on", "--min-images", 2, "--min-improvement", 0.1)
    assert "by 0.1 or more, on the same images of the set test, at least 2" in shown.stdout
    for number, (right, end) in enumerate(
        [(1, "deployed: macro F1 0.667"), (2, "deployed: macro F1 1.000 against")], 1
    ):
        watching = asyncio.create_task(run("train", "--variant", "small"))
        await work(loop, trainer, await trainer.begun(number), right=right)
        result = await watching
        assert result.exit_code == ExitStatus.OK, result.output
        assert end in result.stdout.splitlines()[-1]
    history = json.loads((await run("models", "history", "--json")).stdout)
    assert [(entry["version"], entry["user"]) for entry in history] == [("2.0", "rule"), ("1.0", "rule")]
    assert json.loads((await run("models", "rule", "--off", "--json")).stdout)["automatic"] is False
    watching = asyncio.create_task(run("train", "--base-model", "2.0"))
    await work(loop, trainer, await trainer.begun(3), right=1)
    assert "macro F1 on 2 test images: 0.667, the deployed 2.0 1.000" in (await watching).stdout

    shown = await run("models", "show", "2.0")
    for words in ("deployed: macro F1 1.000 against 0.667 of 1.0", "face", "macro F1", "2 looked at by this model"):
        assert words in shown.stdout
    compared = await run("models", "compare", "1.0", "2.0")
    assert "+0.333" in compared.stdout
    assert "compared on 2 of 2 complete images of the set test: 2.0 is best" in compared.stdout
    told = json.loads((await run("models", "compare", "1.0", "2.0", "--json")).stdout)
    assert [entry["version"] for entry in told["models"]] == ["1.0", "2.0"]
    nothing = await run("models", "compare", "1.0", "2.0", "--set", "val")
    assert "nothing to compare" in nothing.stdout


async def test_trainings_are_listed_shown_and_stopped(loop: RunningLoop, trainer: ScriptedTrainer):
    assert "no trainings in zauberzeug/demo" in (await run("trainings", "list")).stdout
    queued = await run("train", "--variant", "small", "--detach", "--description", "try it")
    assert "trainings watch 1" in queued.stdout
    await trainer.begun()
    await trainer.say("running", progress=0.25)
    await trainer.report(2)
    face = (await loop.json("GET", f"{P}"))["categories"][0]["id"]
    await trainer.report(3, confusion_matrix={face: {"tp": 1, "fp": 0, "fn": 1}})
    listed = (await run("trainings", "list")).stdout
    for words in ("running: training 25%", "Trainer 1", "small", "0.667"):
        assert words in listed
    shown = (await run("trainings", "show", 1)).stdout
    for words in ("try it", "best epoch", "2 to train, 1 to test", "face, eye"):
        assert words in shown
    metrics = (await run("trainings", "metrics", 1)).stdout
    assert [line.split()[1] for line in metrics.splitlines() if line.startswith("│")] == ["2", "3"]
    assert json.loads((await run("trainings", "metrics", 1, "--json")).stdout)[1]["epoch"] == 3
    assert (await run("trainings", "log", 1)).stdout == ""
    await loop.json("POST", f"{P}/trainings/1/log", json={"text": "line 1\nline 2"})
    assert (await run("trainings", "log", 1)).stdout == "line 1\nline 2\n"
    stopped = await run("trainings", "stop", 1)
    assert stopped.stdout == "training 1 is stopping\n"
    await until(lambda: trainer.events("stop_training") > 0)
    aborted = await run("trainings", "abort", 1, "--json")
    assert json.loads(aborted.stdout)["state"] in ("aborting", "aborted")
    missing = await run("trainings", "show", 9)
    assert (missing.exit_code, "there is no training 9" in missing.stderr) == (ExitStatus.REFUSED, True)


async def test_a_log_is_followed_to_the_end(loop: RunningLoop, trainer: ScriptedTrainer):
    await run("train", "--variant", "small", "--detach")
    await trainer.begun()
    await trainer.say("running")
    path = f"{P}/trainings/1/log"
    await loop.json("POST", path, json={"text": "line 1\n", "size_bytes": 7})
    following = asyncio.create_task(run("trainings", "log", 1, "--follow"))
    await seen(loop, "/log")
    await loop.json("POST", path, json={"text": "line 1\nline 2\n", "size_bytes": 14})
    await loop.json("POST", f"{P}/trainings/1/abort")
    await until(lambda: trainer.events("abort_training") > 0)
    await trainer.say("idle")
    result = await following
    assert (result.exit_code, result.stdout) == (ExitStatus.OK, "line 1\nline 2\n")


async def test_what_no_training_can_be_is_refused(loop: RunningLoop, trainer: ScriptedTrainer, tmp_path: Path):
    (tmp_path / "h.json").write_text('{"epochs": 0, "resolution": 640}')
    refused = await run("train", "--variant", "small", "--hyperparameters", tmp_path / "h.json")
    assert (refused.exit_code, "epochs" in refused.stderr) == (ExitStatus.REFUSED, True), refused.output
    overruled = ["--hyperparameters", tmp_path / "h.json", "--param", "epochs=2", "--detach"]
    assert (await run("train", "--variant", "small", *overruled)).exit_code == ExitStatus.OK
    assert (await trainer.begun())["hyperparameters"] == {"epochs": 2, "resolution": 640}
    for options, words in (
        (["--category", "dog"], "there are: face, eye"),
        (["--base-model", "9.9"], "9.9"),
    ):
        refused = await run("train", "--variant", "small", *options)
        assert (refused.exit_code, words in refused.stderr) == (ExitStatus.REFUSED, True), refused.output
    await loop.json("POST", "/zauberzeug/projects", json={"project_id": "empty", "categories": ["face"]})
    refused = await run("train", "--variant", "small", "--project", "empty")
    assert (refused.exit_code, "image" in refused.stderr) == (ExitStatus.REFUSED, True), refused.output


@pytest.mark.parametrize(
    ("offered", "options", "words"),
    [
        pytest.param(None, [], "no such trainer is connected", id="no trainer"),
        pytest.param([SMALL, LARGE], [], "offer large, small", id="several variants"),
        pytest.param([], [], "do not say which there are", id="no variants"),
        pytest.param([SMALL], ["--architecture", "other"], "no such trainer", id="another architecture"),
    ],
)
async def test_a_variant_is_chosen_where_there_is_a_choice(
    loop: RunningLoop, offered: list[dict[str, str]] | None, options: list[str], words: str
):
    async with AsyncExitStack() as running:
        if offered is not None:
            trainer = await running.enter_async_context(scripted_trainer(loop, pretrained_models=offered))
            await trainer.say("idle")
        result = await run("train", *options)
    assert result.exit_code == ExitStatus.USAGE
    assert words in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--param", "note=two words"], ["neither JSON", 'note="two words"'], id="bare text"),
        pytest.param(["--param", "flip=True"], ["True is neither JSON"], id="spelled as in Python"),
        pytest.param(["--param", "rate=NaN"], ["NaN is neither JSON"], id="no number"),
        pytest.param(["--param", "epochs"], ["NAME=VALUE"], id="no value"),
        pytest.param(["--param", "epochs="], ["nothing is neither JSON"], id="empty value"),
        pytest.param(["--param", "=3"], ["NAME=VALUE"], id="no name"),
        pytest.param(["--hyperparameters", __file__], ["cannot be read as JSON"], id="another file"),
        pytest.param(["--hyperparameters", "/nowhere"], ["/nowhere"], id="no file"),
    ],
)
def test_what_cannot_be_understood(options: list[str], words: list[str]):
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["train", "--variant", "small", *options])
    assert result.exit_code == ExitStatus.USAGE
    for word in words:
        assert word in result.output


async def test_a_trainer_is_named(loop: RunningLoop, trainer: ScriptedTrainer):
    async with scripted_trainer(loop, "trainer 2") as other:
        await other.say("idle")
        await run("train", "--variant", "small", "--trainer", "Trainer 2", "--detach")
        await other.begun()
        await run("train", "--variant", "small", "--trainer", "somebody else", "--detach")
        assert json.loads((await run("trainings", "show", 2, "--json")).stdout)["wanted_trainer"] == "somebody else"
        listed = (await run("nodes", "list")).stdout
        for words in ("Trainer 1", "Trainer 2", "mocked", "small"):
            assert words in listed
        found = json.loads((await run("nodes", "list", "--kind", "trainer", "--json")).stdout)
        assert sorted(entry["name"] for entry in found) == ["Trainer 1", "Trainer 2"]
        assert "no converter is connected" in (await run("nodes", "list", "--kind", "converter")).stdout
        assert (await run("nodes", "list", "--kind", "robot")).exit_code == ExitStatus.USAGE


async def test_ctrl_c_leaves_the_training_running(loop: RunningLoop):
    """In a terminal of its own, since only there is somebody who can press it."""
    command = [sys.executable, "-m", "learning_loop_node", "train", "--variant", "small"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=dict(os.environ), stdout=pipe, stderr=pipe)
    assert process.stderr is not None
    try:
        assert b"waiting for a trainer" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, told = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == ExitStatus.INTERRUPTED, told
    assert b"training 1 goes on" in told
    assert b"Traceback" not in told
    assert (await loop.json("GET", f"{P}/trainings/1"))["state"] == "queued"


async def test_a_loop_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name, value in {"HOST": f"127.0.0.1:{port}", "ORGANIZATION": "zauberzeug", "PROJECT": "demo"}.items():
        monkeypatch.setenv(f"LOOP_{name}", value)
    monkeypatch.setenv("LOOP_USERNAME", "admin")
    monkeypatch.setenv("LOOP_PASSWORD", "secret")
    async with running_loop(tmp_path, port=port) as running:
        await running.create_project()
        for number, set_ in enumerate(("train", "test")):
            metadata = {"set": set_, "state": "complete", "box_annotations": [FACE]}
            await running.post_images([jpeg(seed=number)], metadata=metadata)
        watching = asyncio.create_task(run("train", "--variant", "small"))
        await until(lambda: _has_training(running))
    async with running_loop(tmp_path, port=port) as running:
        await running.json("POST", f"{P}/trainings/1/abort")
        result = await watching
    assert result.exit_code == ExitStatus.FAILED, result.output
    assert "training 1 is aborted" in result.stderr


async def _has_training(loop: RunningLoop) -> bool:
    return bool((await loop.json("GET", f"{P}/trainings"))["trainings"])


async def work(loop: RunningLoop, trainer: ScriptedTrainer, details: dict[str, Any], *, right: int) -> None:
    """All that a trainer does for a training; of the two test images it finds the face in so many."""
    number, face = details["training_number"], details["categories"][0]["id"]
    for state, progress in (("data_downloading", 0.5), ("running", 0.5)):
        await trainer.say(state, progress=progress)
    await trainer.report(1, confusion_matrix={face: {"tp": 3, "fp": 1, "fn": 1}})
    await seen(loop)
    status, answer = await trainer.upload(number)
    assert status == 200, answer
    version = next(
        entry["version"] for entry in (await loop.json("GET", f"{P}/models"))["models"] if entry["id"] == answer["id"]
    )
    found = [
        {"image_id": f"image-{2 + place}", "box_detections": [FACE | {"model_name": version, "confidence": 0.9}]}
        for place in range(right)
    ]
    await loop.json("POST", f"{P}/detections", json=found)
    await trainer.say("ready_for_cleanup")
    await trainer.say("idle")


async def seen(loop: RunningLoop, rest: str = "") -> None:
    """Wait until a command has asked for a training, or for this of it, after what has happened so far."""
    place = "/api/{organization}/projects/{project}/trainings/{training_number}"
    counted = loop.app.state.loop.requests.traffic.of(place + rest, "GET")
    before = counted.received
    await until(lambda: counted.received >= before + 2)


async def run(*arguments: object) -> Result:
    """The command in a thread, so that the loop of the test can answer it."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])
