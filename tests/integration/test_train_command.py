"""`learning-loop train`, `trainings`, `nodes` and `models show|compare|rule`, with a scripted trainer."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from tests.builders import jpeg
from tests.commands import is_command
from tests.loop import P, RunningLoop, images_form, running_loop
from tests.node_clients import ScriptedTrainer, node_client, scripted_trainer
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


async def test_what_goes_wrong_is_told_once(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small", "--project", "demo"))
    number = (await trainer.begun())["training_number"]
    await trainer.say("running", progress=0.1)
    await seen(loop)
    log = "epoch 1\nfirst failure\n--- try 2 of 3 ---\nepoch 1\nCUDA out of memory\n"
    await loop.json("POST", f"{P}/trainings/{number}/log", json={"text": log})
    await seen(loop)
    await trainer.say("train_model_downloaded", errors={"run_training": "it ended:\n  in main\nno GPU memory"})
    await seen(loop)
    await trainer.say("ready_for_cleanup", errors={"run_training": "given up: it ended:\n  in main\nno GPU memory"})
    await seen(loop)
    await trainer.say("idle")
    result = await watching
    assert result.exit_code == ExitStatus.FAILED, result.output
    assert result.stdout == ""
    told = result.stderr.splitlines()
    told = told[told.index("training at Trainer 1") :]
    assert told == [
        "training at Trainer 1",
        "its trainer tries again (`learning-loop trainings abort 1 --project demo` ends that): "
        "run_training: it ended: … no GPU memory",
        "training 1 failed: run_training: given up: it ended: … no GPU memory",
        "the end of its log (`learning-loop trainings log 1 --project demo` has more):",
        "epoch 1",
        "CUDA out of memory",
        "once the cause is gone, `learning-loop trainings retry 1 --project demo` does it again; --param changes a "
        "hyperparameter",
    ]
    shown = (await run("trainings", "show", number)).stdout
    assert (shown.count("no GPU memory"), "failed with" in shown) == (1, True)

    again = await run("trainings", "retry", number, "--json")
    assert (json.loads(again.stdout)["number"], json.loads(again.stdout)["retry_of"]) == (2, 1)
    assert (await trainer.begun(2))["training_number"] == 2


async def test_a_training_is_done_again_with_changes(loop: RunningLoop):
    def refuse(*_: Any) -> dict[str, Any]:
        text = "the hyperparameter fail must be one of a, b, not 'c'"
        return {"success": False, "error_msg": text, "payload": None, "code": "unfit_training"}

    async with scripted_trainer(loop, takes=refuse, pretrained_models=[SMALL, LARGE]) as trainer:
        await trainer.say("idle")
        refused = await run("train", "--variant", "small", "--param", "epochs=2", "--param", "fail=c")
        assert refused.exit_code == ExitStatus.FAILED
        hint = refused.stderr.splitlines()[-1]
        assert hint == "`learning-loop trainings retry 1 --param fail=VALUE` does it again with another value"

    async with scripted_trainer(loop, "trainer 2", pretrained_models=[SMALL, LARGE]) as trainer:
        await trainer.say("idle")
        changes = ["--param", "fail=null", "--param", "seconds=1", "--variant", "large", "--category", "eye"]
        again = await run("trainings", "retry", 1, *changes, "--trainer", "Trainer 2", "--architecture", "mocked")
        assert again.exit_code == ExitStatus.OK, again.output
        details = await trainer.begun()
        assert details["hyperparameters"] == {"epochs": 2, "seconds": 1}
        assert details["model_variant"] == "large"
        assert [category["name"] for category in details["categories"]] == ["eye"]
        entry = json.loads((await run("trainings", "show", 2, "--json")).stdout)
        assert (entry["wanted_trainer"], entry["architecture"], entry["retry_of"]) == ("trainer 2", "mocked", 1)
        wrong = await run("trainings", "retry", 1, "--base-model", "9.9")
        assert (wrong.exit_code, "9.9" in wrong.stderr) == (ExitStatus.REFUSED, True), wrong.output


async def test_what_is_not_known_is_left_out_and_a_base_model_may_be_too(loop: RunningLoop):
    def refuse(*_: Any) -> dict[str, Any]:
        text = "I do not know the hyperparameters ['epoch']"
        return {"success": False, "error_msg": text, "payload": None, "code": "unfit_training"}

    base = await loop.push_model()
    async with scripted_trainer(loop, takes=refuse) as trainer:
        await trainer.say("idle")
        refused = await run("train", "--variant", "small", "--base-model", "1.0", "--param", "epoch=2")
        hint = refused.stderr.splitlines()[-1]
        assert hint == "`learning-loop trainings retry 1 --param epoch=null` does it again without it"
    async with scripted_trainer(loop, "trainer 2") as trainer:
        both = await run("trainings", "retry", 1, "--from-scratch", "--base-model", "1.0")
        assert both.exit_code == ExitStatus.USAGE
        await run("trainings", "retry", 1, "--param", "epoch=null")
        await run("trainings", "retry", 1, "--param", "epoch=null", "--from-scratch")
        await trainer.say("idle")
        assert (await trainer.begun())["base_model_uuid"] == base["id"]
        await trainer.say("running")
        await trainer.say("idle")
        details = await trainer.begun(2)
        assert (details["base_model_uuid"], details["hyperparameters"]) == (None, {})


async def test_a_notice_is_told_as_long_as_it_is_news(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small"))
    await trainer.begun()
    await trainer.say("running")
    await trainer.report(1, confusion_matrix={"face": {"tp": 1}})
    await seen(loop)
    notice = "its trainer counted what are no ids of categories that it trains: 'face'"
    assert f"training 1 is running, but {notice}" in (await run("trainings", "list")).stderr
    await trainer.report(2, confusion_matrix={"face": {"tp": 2}})
    await seen(loop)
    await trainer.upload(1)
    await trainer.say("idle")
    result = await watching
    assert result.exit_code == ExitStatus.OK, result.output
    assert result.stderr.splitlines().count(notice) == 1
    assert f"but {notice}" in result.stdout
    listed = await run("trainings", "list")
    assert "finished, with a notice" in listed.stdout
    assert listed.stderr == "with a notice: `learning-loop trainings show NUMBER` says what went wrong on the way\n"
    assert notice in (await run("trainings", "show", 1)).stdout


async def test_why_it_waits_is_told(loop: RunningLoop):
    queued = await run("train", "--variant", "huge", "--detach")
    assert queued.stdout == (
        "training 1 is queued: no trainer is connected; `learning-loop trainings watch 1` shows it\n"
    )
    watching = asyncio.create_task(run("trainings", "watch", 1))
    await seen(loop)
    await seen(loop)
    reason = "no trainer that is connected offers the variant 'huge'"
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await until(lambda: _waits_for(loop, reason))
        await seen(loop)
        assert reason in " ".join((await run("trainings", "show", 1)).stdout.replace("│", " ").split())
        assert "queued" in (await run("trainings", "list")).stdout
    aborted = await run("trainings", "abort", 1)
    assert aborted.stdout == "training 1 is aborted\n"
    told = (await watching).stderr.splitlines()
    assert told[:2] == ["waiting for a trainer", "it waits: no trainer is connected"]
    assert any(line.startswith(f"it waits: {reason}") for line in told)


async def test_what_went_wrong_on_the_way_stands_beside_the_result(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small"))
    details = await trainer.begun()
    await trainer.say("running")
    errors = {"run_training": "its program crashed after epoch 1; the best model so far is used"}
    await trainer.say("training_finished", errors=errors)
    await seen(loop)
    status, answer = await trainer.upload(details["training_number"])
    assert status == 200, answer
    await trainer.say("ready_for_cleanup", errors=errors)
    await seen(loop)
    await trainer.say("idle")
    result = await watching
    assert result.exit_code == ExitStatus.OK, result.output
    told = result.stdout.splitlines()
    assert told[0] == "training 1 is finished; model 1.0 (mocked)"
    assert told[1].startswith("but ")
    assert "its program crashed after epoch 1" in told[1]
    assert "tries again" not in result.stderr
    shown = " ".join((await run("trainings", "show", 1)).stdout.replace("│", " ").split())
    assert shown.count("its program crashed after epoch 1") == 1


async def test_a_trainer_that_is_away_is_told(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small", "--project", "demo"))
    await trainer.begun()
    await trainer.say("running")
    await seen(loop)
    await trainer.client.disconnect()
    await seen(loop)
    async with scripted_trainer(loop) as back:
        await back.say("running")
        await seen(loop)
        await loop.json("POST", f"{P}/trainings/1/abort")
        await until(lambda: back.events("abort_training") > 0)
        await back.say("idle")
        told = (await watching).stderr.splitlines()
    [place] = [place for place, line in enumerate(told) if line.startswith("its trainer Trainer 1 is away since ")]
    assert told[place].endswith("`learning-loop trainings abort 1 --project demo` ends it")
    assert told[place + 1] == "its trainer is back"


async def test_a_model_that_is_there_already_stays(loop: RunningLoop, trainer: ScriptedTrainer):
    watching = asyncio.create_task(run("train", "--variant", "small"))
    await trainer.begun()
    await trainer.say("running")
    assert (await trainer.upload(1))[0] == 200
    await trainer.say("detecting")
    await seen(loop)
    aborted = await run("trainings", "abort", 1)
    assert aborted.stdout == "training 1 is aborting; the model 1.0 (mocked) was uploaded already and stays\n"
    await until(lambda: trainer.events("abort_training") > 0)
    await trainer.say("idle")
    result = await watching
    assert result.exit_code == ExitStatus.FAILED
    end = "training 1 is aborted; the model 1.0 (mocked) was uploaded already and stays"
    assert result.stderr.splitlines()[-1] == end


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            "trainings show 9 --project demo", "`learning-loop trainings list --project demo` lists", id="number"
        ),
        pytest.param("train --variant small --param epochs=0", "--param: epochs must be a number above 0", id="param"),
        pytest.param("trainings retry 1 --param epochs=0", "--param: epochs must be a number above 0", id="again"),
        pytest.param("train --variant small --base-model 9.9", "there is no model 9.9", id="model"),
        pytest.param(
            "train --variant small --category nose --project odd",
            "choose the other categories with --category",
            id="cat",
        ),
        pytest.param(
            "train --variant small --project none",
            "`learning-loop images move IDS --to-state complete --project none`",
            id="no complete images",
        ),
        pytest.param(
            "train --variant small --project odd",
            "no complete image is in the set test; choose some for it: `learning-loop images move IDS --to-set test "
            "--project odd`",
            id="no test images",
        ),
        pytest.param("models rollback --number 7", "`learning-loop models history` shows those that are", id="history"),
        pytest.param("models deploy 77.0", "there is no model with version 77.0; there are: none", id="version"),
    ],
)
async def test_what_is_refused_is_said_in_words_of_the_command_line(loop: RunningLoop, arguments: str, said: str):
    await run("train", "--variant", "small", "--detach")
    await run("trainings", "abort", 1)
    for name, categories in (("none", ["face"]), ("odd", ["face", "nose"])):
        await loop.json("POST", "/zauberzeug/projects", json={"project_id": name, "categories": categories})
    sets = ("train", "test") if "nose" in arguments else ("train",)
    for number, set_ in enumerate(sets):
        metadata = {"set": set_, "state": "complete", "box_annotations": [FACE]}
        form = images_form([jpeg(seed=number)], metadata=metadata)
        async with loop.admin.post("/api/zauberzeug/projects/odd/images", data=form) as answer:
            assert answer.status == 200, await answer.text()
    refused = await run(*arguments.split())
    assert refused.exit_code == ExitStatus.REFUSED, refused.output
    assert said in refused.stderr
    for command in re.findall(r"`(learning-loop [^`]*)`", refused.stderr):
        assert is_command(command), command


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


async def test_the_rule_decides_before_the_command_ends(loop: RunningLoop, trainer: ScriptedTrainer, tmp_path: Path):
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
    nothing = await run("models", "compare", "1.0", "2.0", "--set", "val", "--plot", tmp_path / "nothing.png")
    assert "nothing to compare" in nothing.stdout
    assert not (tmp_path / "nothing.png").exists()


async def test_models_are_compared_in_a_picture(loop: RunningLoop, trainer: ScriptedTrainer, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra [evaluation])")
    for number, right in enumerate((1, 2), 1):
        watching = asyncio.create_task(run("train", "--variant", "small"))
        await work(loop, trainer, await trainer.begun(number), right=right)
        await watching
    drawn = await run("models", "compare", "1.0", "2.0", "--plot", tmp_path / "new" / "models.png")
    assert f"drawn in {tmp_path / 'new' / 'models.png'}" in drawn.stdout
    assert re.search(r"mAP50 .* 1\.000 ", drawn.stdout)
    with Image.open(tmp_path / "new" / "models.png") as picture:
        assert picture.width > 1000
    told = json.loads((await run("models", "compare", "1.0", "2.0", "--json", "--plot", tmp_path / "a.svg")).stdout)
    assert told["models"][1]["mean_average_precision"] == 1.0
    assert told["models"][1]["categories"][0]["curve"]["recall"][-1] == 1.0
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    refused = await run("models", "compare", "1.0", "2.0", "--plot", tmp_path / "a.gif")
    assert refused.exit_code == ExitStatus.USAGE
    assert "must end in .png, .svg, .pdf" in refused.stderr


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
    nothing = await run("trainings", "log", 1)
    assert (nothing.stdout, nothing.stderr) == ("", "the trainer has sent no log yet\n")
    assert json.loads((await run("trainings", "log", 1, "--json")).stdout) == {"text": "", "size_bytes": 0}
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
        pytest.param(None, [], "no trainer is connected", id="no trainer"),
        pytest.param([SMALL, LARGE], [], "offer large, small", id="several variants"),
        pytest.param([], [], "do not say which there are", id="no variants"),
        pytest.param(
            [SMALL],
            ["--architecture", "other"],
            "no trainer of the architecture other is connected",
            id="another architecture",
        ),
        pytest.param(
            [SMALL], ["--trainer", "foo"], "Invalid value for --trainer: no trainer foo is connected", id="trainer"
        ),
        pytest.param([SMALL], ["--trainer", "foo", "--variant", "small"], "there are: Trainer 1", id="no such trainer"),
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
        away = str(UUID(int=7))
        await run("train", "--variant", "small", "--trainer", away, "--detach")
        assert json.loads((await run("trainings", "show", 2, "--json")).stdout)["wanted_trainer"] == away
        listed = (await run("nodes", "list")).stdout
        for words in ("Trainer 1", "Trainer 2", "mocked", "small"):
            assert words in listed
        found = json.loads((await run("nodes", "list", "--kind", "trainer", "--json")).stdout)
        assert sorted(entry["name"] for entry in found) == ["Trainer 1", "Trainer 2"]
        assert "no converter is connected" in (await run("nodes", "list", "--kind", "converter")).stdout
        assert (await run("nodes", "list", "--kind", "robot")).exit_code == ExitStatus.USAGE


async def test_the_failures_of_a_converter_are_counted(loop: RunningLoop):
    errors = {f"1.{number} to onnx": "convert raised ValueError: no room" for number in range(9)}
    async with node_client(loop, "converter") as converter:
        status = {"id": "c", "name": "c", "state": "idle", "uptime": 0, "errors": errors | {"loop": "away"}}
        await converter.call("update_converter", status)
        listed = (await run("nodes", "list")).stdout
    assert "loop: away; 9 failed, see `learning-loop models problems`" in listed
    assert "no room" not in listed


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
    assert b"`learning-loop trainings abort 1` takes it back" in told
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
    with socket.create_server(("127.0.0.1", port)) as deaf:
        connection, _ = await asyncio.to_thread(deaf.accept)
        connection.close()
    async with running_loop(tmp_path, port=port) as running:
        await seen(running)
        await running.json("POST", f"{P}/trainings/1/abort")
        result = await watching
    assert result.exit_code == ExitStatus.FAILED, result.output
    told = result.stderr.splitlines()
    assert told[told.index("the loop is back") - 1].startswith("the loop does not answer")
    assert told[-1] == "training 1 is aborted"


async def _waits_for(loop: RunningLoop, reason: str) -> bool:
    return reason in (await loop.json("GET", f"{P}/trainings/1"))["waiting_for"]


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
