"""Trainings at the loop: asked for, given to trainers, followed, stopped, lost and found; with scripted trainers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest

from learning_loop_node.loop_server.dispatch.following import IDLE_TIMES
from tests.builders import jpeg
from tests.loop import ORGANIZATION, P, RunningLoop, files_form, running_loop
from tests.node_clients import PASSWORD, REFUSED, TAKEN, ScriptedTrainer, node_client, scripted_trainer, session_of
from tests.polling import until

FACE = {"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4}
NOSE = {"category_name": "nose", "x": 5, "y": 6}
ALL = {"box_annotations": [FACE], "point_annotations": [NOSE]}
CATEGORIES = ("face", {"name": "nose", "type": "point", "point_size": 5})


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await prepare(running)
        yield running


async def prepare(loop: RunningLoop) -> None:
    """A project with which trainings are possible."""
    await loop.create_project(CATEGORIES)
    for number, name in enumerate(("train", "train", "test")):
        await loop.post_images([jpeg(seed=number)], metadata=ALL | {"state": "complete", "set": name})


async def train(loop: RunningLoop, **changes: Any) -> dict[str, Any]:
    body = {"model_variant": "small"} | changes
    return await loop.json("POST", f"{P}/trainings", json=body)  # type: ignore[no-any-return]


async def one(loop: RunningLoop, number: int = 1) -> dict[str, Any]:
    return await loop.json("GET", f"{P}/trainings/{number}")  # type: ignore[no-any-return]


async def state_of(loop: RunningLoop, number: int = 1) -> str:
    return (await one(loop, number))["state"]  # type: ignore[no-any-return]


async def becomes(loop: RunningLoop, state: str, number: int = 1) -> dict[str, Any]:
    async def is_so() -> bool:
        return await state_of(loop, number) == state

    await until(is_so)
    return await one(loop, number)


async def refused(loop: RunningLoop, method: str, path: str, status: int, **arguments: Any) -> str:
    async with loop.admin.request(method, f"/api{P}{path}", **arguments) as answer:
        body = await answer.json()
        assert answer.status == status, body
        return body["detail"]  # type: ignore[no-any-return]


async def run_to_end(trainer: ScriptedTrainer, number: int, formats: Sequence[str] = ("mocked",)) -> dict[str, Any]:
    """What a good training looks like from the loop; the answer to the last upload."""
    await trainer.begun(number)
    await trainer.say("data_downloading", progress=0.5)
    await trainer.say("running")
    await trainer.report()
    answers = [await trainer.upload(number, name) for name in formats]
    assert [status for status, _ in answers] == [200] * len(formats), answers
    await trainer.say("detecting")
    await trainer.say("idle")
    return answers[-1][1]  # type: ignore[no-any-return]


# --- what is asked for


async def test_without_trainings_there_are_none(loop: RunningLoop):
    page = await loop.json("GET", f"{P}/trainings")
    assert page == {"charts": [{"data": []}], "trainings": [], "next": None}
    assert await refused(loop, "GET", "/trainings/1", 404)


async def test_a_training_waits_for_a_trainer(loop: RunningLoop):
    record = await train(loop, hyperparameters={"resolution": 640, "epochs": 3}, description="try it")
    assert (record["number"], record["state"], record["trainer"], record["model"]) == (1, "queued", None, None)
    assert [category["name"] for category in record["categories"]] == ["face", "nose"]
    assert (record["created_by"], record["description"]) == ("admin", "try it")
    assert (record["waiting_for"], record["notice"]) == ("no trainer is connected", None)
    assert record == await one(loop)
    second = await train(loop)
    page = await loop.json("GET", f"{P}/trainings?limit=1")
    assert ([entry["number"] for entry in page["trainings"]], page["next"]) == ([2], 2)
    page = await loop.json("GET", f"{P}/trainings?limit=1&before=2")
    assert [entry["number"] for entry in page["trainings"]] == [1]
    assert second["id"] != record["id"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"model_variant": None}, "model_variant", id="no variant"),
        pytest.param({"model_variant": ""}, "model_variant", id="empty variant"),
        pytest.param({"hyperparameters": []}, "hyperparameters", id="hyperparameters are a list"),
        pytest.param({"hyperparameters": {"resolution": 0}}, "resolution must be a whole number above 0", id="no size"),
        pytest.param({"hyperparameters": {"resolution": 640.5}}, "resolution", id="half a pixel"),
        pytest.param({"hyperparameters": {"resolution": "640"}}, "resolution", id="size as text"),
        pytest.param({"hyperparameters": {"resolution": True}}, "resolution", id="size is true"),
        pytest.param({"hyperparameters": {"epochs": 0}}, "epochs must be a number above 0", id="no epochs"),
        pytest.param({"hyperparameters": {"epochs": -1}}, "epochs", id="negative epochs"),
        pytest.param({"hyperparameters": {"detect_nms_conf_thres": 20}}, "from 0 to 1", id="threshold in percent"),
        pytest.param({"hyperparameters": {"min_size": 5, "max_size": 4}}, "contradict", id="contradiction"),
        pytest.param({"hyperparameters": {"compute_validation_set": "yes"}}, "true or false", id="switch as text"),
        pytest.param({"hyperparameters": {"a": "x" * 70_000}}, "65536", id="too much"),
        pytest.param({"category_ids": []}, "category_ids", id="no category chosen"),
        pytest.param({"category_ids": ["nothing"]}, "there is no category nothing", id="unknown category"),
        pytest.param({"base_model": "7.7"}, "there is no model 7.7", id="unknown base"),
        pytest.param({"description": 5}, "description", id="description is a number"),
        pytest.param(
            {"categories": ["face"]}, "'categories' is not known here; did you mean 'category_ids'?", id="close"
        ),
        pytest.param({"zzz": 1}, "'zzz' is not known here; known are model_variant, ", id="unknown"),
    ],
)
async def test_what_cannot_be_trained_is_refused_by_name(loop: RunningLoop, changes: dict[str, Any], words: str):
    body = {"model_variant": "small"} | changes
    status = 404 if "base_model" in changes else 422
    assert words in await refused(loop, "POST", "/trainings", status, json=body)
    assert (await loop.json("GET", f"{P}/trainings"))["trainings"] == []


async def test_numbers_that_are_none_are_refused(loop: RunningLoop):
    for text in ("NaN", "Infinity", "1e999"):
        body = f'{{"model_variant": "small", "hyperparameters": {{"deep": [{{"rate": {text}}}]}}}}'
        headers = {"Content-Type": "application/json"}
        told = await refused(loop, "POST", "/trainings", 422, data=body, headers=headers)
        assert "rate" in told or "finite" in told or "hyperparameters" in told


@pytest.mark.parametrize(
    ("images", "words"),
    [
        pytest.param([], "no images in the state complete", id="no images"),
        pytest.param([("inbox", "train", ALL), ("inbox", "test", ALL)], "no images in the state complete", id="inbox"),
        pytest.param([("complete", "train", ALL)], "in the set test", id="no test images"),
        pytest.param([("complete", "test", ALL)], "in the set train", id="no train images"),
        pytest.param(
            [("complete", "train", {"box_annotations": [FACE]}), ("complete", "test", ALL)],
            'category "nose" has no annotation in complete images of the set train',
            id="category missing",
        ),
        pytest.param(
            [("complete", "train", {}), ("complete", "test", ALL)],
            'categories "face", "nose" have no annotation',
            id="no annotations",
        ),
    ],
)
async def test_what_the_images_lack_is_named(tmp_path: Path, images: list[tuple[str, str, Any]], words: str):
    async with running_loop(tmp_path) as loop:
        await loop.create_project(CATEGORIES)
        for number, (state, name, marks) in enumerate(images):
            await loop.post_images([jpeg(seed=number)], metadata=marks | {"state": state, "set": name})
        told = await refused(loop, "POST", "/trainings", 422, json={"model_variant": "small"})
        assert words in told
        if "nose" in words and "face" not in words:
            categories = (await loop.json("GET", f"{P}/categories"))["categories"]
            chosen = [entry["id"] for entry in categories if entry["name"] == "face"]
            record = await train(loop, category_ids=chosen)
            assert [category["name"] for category in record["categories"]] == ["face"]


async def test_the_same_key_makes_no_second_training(loop: RunningLoop):
    first = await train(loop, idempotency_key="k")
    assert await train(loop, idempotency_key="k") == first
    body = {"model_variant": "large", "idempotency_key": "k"}
    assert "another key" in await refused(loop, "POST", "/trainings", 409, json=body)
    assert len((await loop.json("GET", f"{P}/trainings"))["trainings"]) == 1


# --- a training that goes well


async def test_a_training_from_the_queue_to_a_numbered_model(loop: RunningLoop):
    hyperparameters = {"resolution": 640, "epochs": 3, "flip_ud": False}
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        record = await train(loop, hyperparameters=hyperparameters, description="first")
        details = await trainer.begun()
        [(event, organization, project, _)] = trainer.called
        assert (event, organization, project) == ("begin_training", "zauberzeug", "demo")
        assert (details["training_number"], details["model_variant"], details["base_model_uuid"]) == (1, "small", None)
        assert details["hyperparameters"] == hyperparameters
        assert [category["type"] for category in details["categories"]] == ["box", "point"]
        assert details["categories"][1]["point_size"] == 5
        assert details["id"] == record["id"]

        await becomes(loop, "running")
        assert (await trainer.say("data_downloading", progress=0.25))["success"] is True
        now = await one(loop)
        assert (now["trainer_state"], now["progress"], now["architecture"]) == ("data_downloading", 0.25, "mocked")
        assert now["trainer"] == {"id": "trainer 1", "name": "Trainer 1", "is_connected": True}
        assert now["started"] is not None

        await trainer.say("running", errors={"sync_confusion_matrix": "not now"})
        assert (await one(loop))["errors"] == {"sync_confusion_matrix": "not now"}
        assert (await trainer.report(1))["success"] is True
        assert (await trainer.report(2, hyperparameters=hyperparameters | {"batch_size": 8}))["success"] is True
        assert (await trainer.report(2, hyperparameters=hyperparameters | {"batch_size": 8}))["success"] is True
        epochs = (await loop.json("GET", f"{P}/trainings/1/metrics"))["epochs"]
        assert [entry["epoch"] for entry in epochs] == [1, 2], "the same again is nothing new"
        face = now["categories"][0]["id"]
        assert epochs[1]["confusion_matrix"] == {face: {"tp": 3, "fp": 1, "fn": 2}}
        assert (epochs[1]["train_image_count"], epochs[1]["test_image_count"]) == (2, 1)
        assert epochs[1]["hyperparameters"]["batch_size"] == 8
        assert (await one(loop))["best_epoch"] == 2

        await trainer.say("train_model_uploading")
        status, answer = await trainer.upload(1, "mocked")
        assert status == 200
        assert await trainer.upload(1, "other") == (200, answer), "all formats are one model"
        assert answer["version"] == "1.0"
        await trainer.say("detecting", progress=0.9)
        assert (await one(loop))["state"] == "running"
        await trainer.say("ready_for_cleanup")
        await trainer.say("idle")

    ended = await one(loop)
    assert (ended["state"], ended["error"], ended["progress"], ended["trainer_state"]) == ("finished", None, None, None)
    assert ended["model"] == {"id": answer["id"], "version": "1.0", "formats": ["mocked", "other"]}
    assert ended["trainer"]["is_connected"] is False
    assert ended["ended"] is not None
    model = await loop.json("GET", f"{P}/models/1.0")
    assert model == await loop.json("GET", f"{P}/models/{answer['id']}")
    assert (model["training"], model["parent"], model["comment"]) == (1, None, "first")
    assert model["confusion_matrix"] == {face: {"tp": 3, "fp": 1, "fn": 2}}
    charts = (await loop.json("GET", f"{P}/trainings"))["charts"]
    assert charts[0]["data"][0]["model_id"] == answer["id"]

    told = await model_json(loop, answer["id"], "other")
    assert {name: told[name] for name in ("id", "version", "format", "resolution", "model_size")} == {
        "id": answer["id"],
        "version": "1.0",
        "format": "other",
        "resolution": 640,
        "model_size": "small",
    }


async def model_json(loop: RunningLoop, model_id: str, model_format: str = "mocked") -> dict[str, Any]:
    async with loop.nobody.get(f"/api{P}/models/{model_id}/{model_format}/file") as answer:
        assert answer.status == 200
        archive = ZipFile(BytesIO(await answer.read()))
    return json.loads(archive.read("model.json"))  # type: ignore[no-any-return]


async def test_versions_and_parents(loop: RunningLoop):
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        for number, (base, version) in enumerate(
            [(None, "1.0"), ("1.0", "1.1"), (None, "2.0"), ("1.0", "1.2"), ("2.0", "2.1"), ("1.2", "1.3")], start=1
        ):
            await train(loop, **({"base_model": base} if base else {}))
            answer = await run_to_end(trainer, number)
            assert answer["version"] == version
            details = trainer.given[-1]
            model = await loop.json("GET", f"{P}/models/{version}")
            if base is None:
                assert details["base_model_uuid"] is None
                assert model["parent"] is None
            else:
                parent = await loop.json("GET", f"{P}/models/{base}")
                assert details["base_model_uuid"] == parent["id"]
                assert model["parent"] == {"id": parent["id"], "version": base}
    pushed = await loop.push_model()
    assert pushed["version"] == "2.2"


async def test_a_version_is_never_given_twice(loop: RunningLoop):
    """Not even if the files of its model never came."""
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await train(loop)
        await trainer.begun()
        await trainer.say("train_model_uploading")
        status, answer = await trainer.upload(1, files={"a.zip": b"no zip"})
        assert status == 422, answer
        await trainer.say("train_model_uploading", errors={"upload_model": "no zip"})
        await trainer.say("idle")
        failed = await becomes(loop, "failed")
        assert (failed["error"], failed["model"]) == ("upload_model: no zip", None)
        assert (await loop.push_model())["version"] == "1.1"
        await train(loop)
        assert (await run_to_end(trainer, 2))["version"] == "2.0"


async def test_resolution_and_size_of_a_trainer_itself_stay(loop: RunningLoop):
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await train(loop, hyperparameters={"resolution": 640})
        await trainer.begun()
        own = {"model.json": b'{"categories": [], "resolution": 320, "conf_threshold": 0.3}'}
        _, answer = await trainer.upload(1, files=own | {"a.bin": b"1"})
    told = await model_json(loop, answer["id"])
    assert (told["resolution"], told["model_size"], told["conf_threshold"]) == (320, "small", 0.3)


# --- uploads whose answers get lost


async def test_a_format_that_is_there_is_answered_with_the_id(loop: RunningLoop):
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await train(loop)
        await trainer.begun()
        _, answer = await trainer.upload(1)
        large = {"model.json": b"{}", "weights.bin": bytes(20_000_000)}
        assert await trainer.upload(1, files=large) == (409, {"detail": {"id": answer["id"]}, "code": "refused"})


async def test_formats_and_copies_at_once_are_one_model(loop: RunningLoop):
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await train(loop)
        await trainer.begun()
        answers = await asyncio.gather(*(trainer.upload(1, name) for name in ("a", "b", "a", "b", "a")))
    assert sorted(status for status, _ in answers) == [200, 200, 409, 409, 409]
    ids = {answer["id"] if status == 200 else answer["detail"]["id"] for status, answer in answers}
    assert len(ids) == 1
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    assert sorted(model["formats"]) == ["a", "b"]


async def test_uploads_for_what_is_no_training_are_refused(loop: RunningLoop):
    async with scripted_trainer(loop) as trainer:
        for number in (0, 7):
            status, answer = await trainer.upload(number)
            assert status == 404
            assert f"no training {number}" in answer["detail"]
        await train(loop)
        await loop.json("POST", f"{P}/trainings/1/abort")
        status, answer = await trainer.upload(1)
        assert (status, answer["code"]) == (422, "unfit_training")
        await train(loop)
        status, answer = await trainer.upload(2)
        assert status == 422, "it waits, and no trainer has it"


# --- which trainer gets it


@pytest.mark.parametrize(
    ("about", "state", "asked", "is_taken"),
    [
        pytest.param({}, "idle", {}, True, id="idle"),
        pytest.param({}, "blocked", {}, False, id="blocked"),
        pytest.param({}, "waiting_for_slot", {}, False, id="waiting for the slot"),
        pytest.param({}, "running", {}, False, id="at work"),
        pytest.param({}, "idle", {"architecture": "mocked"}, True, id="right architecture"),
        pytest.param({}, "idle", {"architecture": "other"}, False, id="wrong architecture"),
        pytest.param({"architecture": None}, "idle", {"architecture": "mocked"}, False, id="no architecture"),
        pytest.param({}, "idle", {"trainer": "trainer 1"}, True, id="right trainer"),
        pytest.param({}, "idle", {"trainer": "other"}, False, id="wrong trainer"),
        pytest.param({}, "idle", {"trainer": "trainer 1", "architecture": "other"}, False, id="both, one wrong"),
        pytest.param({}, "idle", {"model_variant": "huge"}, False, id="unknown variant"),
        pytest.param({}, "idle", {"model_variant": "huge", "trainer": "trainer 1"}, False, id="variant it lacks"),
        pytest.param({"pretrained_models": []}, "idle", {"model_variant": "huge"}, True, id="no variants"),
    ],
)
async def test_who_is_offered_a_training(
    loop: RunningLoop, about: dict[str, Any], state: str, asked: dict[str, Any], is_taken: bool
):
    async with scripted_trainer(loop, **about) as trainer:
        await trainer.say(state)
        await train(loop, **asked)
        await loop.app.state.loop.dispatch.look()
        if is_taken:
            await trainer.begun()
        assert len(trainer.given) == is_taken
        assert (await state_of(loop) != "queued") is is_taken


async def test_two_trainers_get_one_training_each_in_the_order_of_the_queue(loop: RunningLoop):
    for _ in range(3):
        await train(loop)
    async with scripted_trainer(loop, "a") as a, scripted_trainer(loop, "b") as b:
        await a.say("idle")
        assert (await a.begun())["training_number"] == 1
        await b.say("idle")
        assert (await b.begun())["training_number"] == 2
        await a.say("running")
        await b.say("running")
        await a.report(epoch=5)
        await b.report(epoch=6)
        assert [(await one(loop, number))["best_epoch"] for number in (1, 2)] == [5, 6]
        assert await state_of(loop, 3) == "queued"
        await b.upload(2)
        await b.say("idle")
        await becomes(loop, "finished", 2)
        await b.say("idle")
        assert (await b.begun(2))["training_number"] == 3
        assert len(a.given) == 1


async def test_a_trainer_of_others_gets_nothing_of_ours(loop: RunningLoop):
    await add_user(loop, "other", "other", "maintainer")
    await add_user(loop, "labeller", ORGANIZATION, "annotator")
    await train(loop)
    dispatch = loop.app.state.loop.dispatch
    for name in ("other", "labeller"):
        async with session_of(loop, name) as session, scripted_trainer(loop, session=session) as trainer:
            await trainer.say("idle")
            await dispatch.look()
            assert (await trainer.say("running"))["success"] is True
            answer = await trainer.report()
            assert answer["success"] is False, "nor does it report for us"
            assert trainer.given == []
    assert await state_of(loop) == "queued"


async def test_a_stranger_with_the_id_of_our_trainer_decides_nothing(loop: RunningLoop):
    await add_user(loop, "other", "other", "maintainer")
    async with (
        scripted_trainer(loop) as trainer,
        session_of(loop, "other") as session,
        scripted_trainer(loop, session=session) as stranger,
    ):
        await trainer.say("idle")
        await train(loop)
        await trainer.begun()
        await trainer.say("running")
        for _ in range(IDLE_TIMES + 1):
            await stranger.say("idle")
        assert (await one(loop))["state"] == "running"
        await loop.json("POST", f"{P}/trainings/1/abort")
        await until(lambda: trainer.events("abort_training") == 1)
        assert stranger.called == []


async def test_a_refused_training_waits_and_another_trainer_gets_it(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop, "a", takes=REFUSED) as a:
        await a.say("idle")
        await a.begun()
        record = await becomes(loop, "queued")
        assert (record["refusals"], record["trainer"]) == (1, None)
        await a.say("idle")
        await loop.app.state.loop.dispatch.look()
        assert len(a.given) == 1, "not again at once"
        async with scripted_trainer(loop, "b") as b:
            await b.say("idle")
            await b.begun()
            await becomes(loop, "running")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            {"success": False, "error_msg": "hyperparameters missing or not a dict", "payload": None},
            "hyperparameters missing or not a dict",
            id="malformed",
        ),
        pytest.param({"success": False}, "begin_training", id="no reason"),
        pytest.param(None, "does not know the event begin_training", id="nothing"),
        pytest.param("what?", "does not know the event begin_training", id="text"),
        pytest.param([1, 2], "does not know the event begin_training", id="list"),
    ],
)
async def test_what_a_trainer_cannot_begin_has_failed_with_its_words(loop: RunningLoop, answer: Any, words: str):
    await train(loop)
    async with scripted_trainer(loop, takes=lambda *_: answer) as trainer:
        await trainer.say("idle")
        failed = await becomes(loop, "failed")
        assert words in failed["error"]
        assert "Trainer 1" in failed["error"]
        assert failed["ended"] is not None


# --- answers and trainers that get lost


async def test_when_the_answer_to_an_offer_is_lost_what_it_says_next_decides(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop, takes=lambda *_: asyncio.Event().wait()) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.client.disconnect()
    record = await one(loop)
    assert (record["state"], record["trainer"]["is_connected"]) == ("starting", False)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("initialized")
        assert (await one(loop))["state"] == "running"
        assert trainer.given == [], "it has it already"
        await trainer.upload(1)
        await trainer.say("idle")
        await becomes(loop, "finished")


async def test_an_offer_that_never_arrived_is_made_again(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop, takes=lambda *_: asyncio.Event().wait()) as trainer:
        await trainer.say("idle")
        await trainer.begun()
    async with scripted_trainer(loop) as trainer:
        for _ in range(IDLE_TIMES - 1):
            await trainer.say("idle")
            assert await state_of(loop) == "starting", "it may go on with it in a moment"
        await trainer.say("idle")
        assert (await trainer.begun())["training_number"] == 1
        await becomes(loop, "running")
        assert len(trainer.given) == 1


async def test_a_training_that_was_begun_after_all_is_recognized(loop: RunningLoop):
    """The trainer was slow, and the loop has put the training back into the queue."""
    await train(loop)
    dispatch = loop.app.state.loop.dispatch
    async with scripted_trainer(loop, takes=lambda *_: asyncio.Event().wait()) as trainer:
        await trainer.say("idle")
        await trainer.begun()
    async with scripted_trainer(
        loop, takes=REFUSED, architecture="unfit", pretrained_models=[{"name": "other", "label": "", "description": ""}]
    ) as trainer:
        for _ in range(IDLE_TIMES):
            await trainer.say("idle")
        await becomes(loop, "queued")
        await trainer.say("running")
        assert await state_of(loop) == "running"
        await dispatch.look()
        assert trainer.given == []


async def test_a_trainer_that_is_away_for_a_while_goes_on(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running", progress=0.5)

    async def is_away() -> bool:
        return not (await one(loop))["trainer"]["is_connected"]

    await until(is_away)
    record = await one(loop)
    assert (record["state"], record["progress"]) == ("running", None)
    async with scripted_trainer(loop) as trainer:
        for _ in range(IDLE_TIMES - 1):
            await trainer.say("idle")  # it looks at its disk only now
        await trainer.say("running", progress=0.6)
        record = await one(loop)
        assert (record["state"], record["progress"], record["trainer"]["is_connected"]) == ("running", 0.6, True)
        assert (await trainer.report())["success"] is True


async def test_a_trainer_that_comes_back_without_its_training_has_lost_it(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running")
    async with scripted_trainer(loop) as trainer:
        for _ in range(IDLE_TIMES):
            await trainer.say("idle")
        failed = await becomes(loop, "failed")
        assert failed["error"].startswith("the trainer lost it: Trainer 1 is idle")
        await trainer.say("running")
        assert (await one(loop))["state"] == "running", "unless it has not"


@pytest.mark.parametrize("state", ["starting", "running", "stopping", "queued"])
async def test_the_loop_ends_and_begins_again_in_the_middle(tmp_path: Path, state: str):
    async with running_loop(tmp_path) as loop:
        await prepare(loop)
        await train(loop)
        async with scripted_trainer(
            loop, takes=lambda *_: asyncio.Event().wait() if state == "starting" else TAKEN
        ) as trainer:
            if state != "queued":
                await trainer.say("idle")
                await trainer.begun()
            if state in ("running", "stopping"):
                await trainer.say("data_downloading")
                await trainer.report()
            if state == "stopping":
                await loop.json("POST", f"{P}/trainings/1/stop")
            assert await state_of(loop) == state
            if state == "starting":
                await trainer.client.disconnect()
    async with running_loop(tmp_path) as loop:
        assert await state_of(loop) == state
        async with scripted_trainer(loop) as trainer:
            if state == "queued":
                await trainer.say("idle")
                await trainer.begun()
            await trainer.say("running")
            if state == "stopping":
                await until(lambda: trainer.events("stop_training") == 1)
            else:
                assert (await one(loop))["state"] == "running"
            assert (await trainer.report(2))["success"] is True
            _, answer = await trainer.upload(1)
            await trainer.say("idle")
            record = await becomes(loop, "finished")
            assert record["model"]["id"] == answer["id"]
            assert len(trainer.given) == (state == "queued")


async def test_between_two_formats_the_loop_ends(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await prepare(loop)
        await train(loop)
        async with scripted_trainer(loop) as trainer:
            await trainer.say("idle")
            await trainer.begun()
            await trainer.say("train_model_uploading")
            _, first = await trainer.upload(1, "a")
    async with running_loop(tmp_path) as loop, scripted_trainer(loop) as trainer:
        await trainer.say("train_model_uploading")
        assert (await trainer.upload(1, "a"))[0] == 409
        assert await trainer.upload(1, "b") == (200, first)


# --- failed, stopped, aborted, again


async def test_the_last_errors_of_the_trainer_say_why_a_training_failed(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running", errors={"run_training": "out of memory"})
        await trainer.say("running", errors={})
        await trainer.say("ready_for_cleanup", errors={"run_training": "graphics card\0 is out of memory"})
        await trainer.say("idle")
        failed = await becomes(loop, "failed")
        assert failed["error"] == "run_training: graphics card is out of memory"
        assert failed["errors"] == {"run_training": "graphics card is out of memory"}
        again = await loop.json("POST", f"{P}/trainings/1/retry")
        assert (again["number"], again["retry_of"], again["state"]) == (2, 1, "queued")
        assert again["hyperparameters"] == failed["hyperparameters"]
        await trainer.say("idle")
        await run_to_end(trainer, 2)
        await becomes(loop, "finished", 2)
        assert (await one(loop))["state"] == "failed"


async def test_stop_is_passed_on_only_while_the_trainer_trains(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("data_downloading")
        record = await loop.json("POST", f"{P}/trainings/1/stop")
        assert record["state"] == "stopping"
        await loop.app.state.loop.dispatch.look()
        assert trainer.events("stop_training") == 0, "0.18 would drop the training, 0.27 would do nothing"
        await trainer.say("running")
        await until(lambda: trainer.events("stop_training") == 1)
        await trainer.say("training_finished")
        await trainer.upload(1)
        await trainer.say("idle")
        assert (await becomes(loop, "finished"))["model"]["version"] == "1.0"
        assert trainer.events("stop_training") == 1


async def test_a_training_that_is_stopped_without_a_model_has_failed(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running")
        await loop.json("POST", f"{P}/trainings/1/stop")
        await trainer.say("idle")
        assert (await becomes(loop, "failed"))["error"] == "it was stopped before it had a model"


async def test_abort_in_the_queue_needs_no_trainer(loop: RunningLoop):
    await train(loop)
    assert (await loop.json("POST", f"{P}/trainings/1/abort"))["state"] == "aborted"
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await loop.app.state.loop.dispatch.look()
        assert trainer.given == []


async def test_abort_is_passed_on_and_ends_when_the_trainer_is_idle(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("data_downloading")
        assert (await loop.json("POST", f"{P}/trainings/1/abort"))["state"] == "aborting"
        await until(lambda: trainer.events("abort_training") == 1)
        status, _ = await trainer.upload(1)
        assert status == 422, "and not 409, which trainers take for a success"
        await trainer.say("ready_for_cleanup")
        assert await state_of(loop) == "aborting"
        await trainer.say("idle")
        ended = await becomes(loop, "aborted")
        assert (ended["model"], ended["error"]) == (None, None)
        assert trainer.events("abort_training") == 1


async def test_a_trainer_of_0_18_that_cannot_abort_is_stopped(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        trainer.answer("abort_training", lambda: None)
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("data_downloading")
        await loop.json("POST", f"{P}/trainings/1/abort")
        await until(lambda: trainer.events("stop_training") == 1)


async def test_abort_without_the_trainer_is_told_to_it_when_it_is_back(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running")
    await until(lambda: not loop.app.state.loop.nodes.all())
    assert (await loop.json("POST", f"{P}/trainings/1/abort"))["state"] == "aborted"
    async with scripted_trainer(loop) as trainer:
        await trainer.say("running")
        await until(lambda: trainer.events("abort_training") == 1)
        assert (await trainer.report())["success"] is False
        await trainer.say("idle")
        assert await state_of(loop) == "aborted"


@pytest.mark.parametrize("action", ["stop", "abort", "retry"])
async def test_what_does_not_fit_the_state_is_refused(loop: RunningLoop, action: str):
    await train(loop)
    words = {"stop": "has not begun", "retry": "has ended"}
    if action in words:
        assert words[action] in await refused(loop, "POST", f"/trainings/1/{action}", 409)
    await loop.json("POST", f"{P}/trainings/1/abort")
    if action != "retry":
        assert "is aborted already" in await refused(loop, "POST", f"/trainings/1/{action}", 409)
    assert "no training 9" in await refused(loop, "POST", f"/trainings/9/{action}", 404)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(None, {"hyperparameters": {"epochs": 3, "note": "a"}}, id="no body"),
        pytest.param({}, {"hyperparameters": {"epochs": 3, "note": "a"}}, id="nothing"),
        pytest.param(
            {"hyperparameters": {"epochs": 5, "note": None, "seconds": 1}},
            {"hyperparameters": {"epochs": 5, "seconds": 1}},
            id="one replaced, one removed, one added",
        ),
        pytest.param(
            {"hyperparameters": None}, {"hyperparameters": {"epochs": 3, "note": "a"}}, id="null changes none"
        ),
        pytest.param({"model_variant": "large"}, {"model_variant": "large"}, id="variant"),
        pytest.param({"trainer": "t", "architecture": "a"}, {"wanted_trainer": "t", "architecture": "a"}, id="trainer"),
        pytest.param({"description": None}, {"description": None}, id="no description"),
        pytest.param({"base_model": None}, {"base_model": None}, id="begin anew"),
        pytest.param({"model_variant": None}, {"model_variant": "small"}, id="a variant there is always"),
    ],
)
async def test_a_retry_takes_what_is_to_be_different(
    loop: RunningLoop, changes: dict[str, Any] | None, expected: dict[str, Any]
):
    await loop.push_model()
    former = await train(loop, hyperparameters={"epochs": 3, "note": "a"}, description="try", base_model="1.0")
    await loop.json("POST", f"{P}/trainings/1/abort")
    given = {} if changes is None else {"json": changes}
    again = await loop.json("POST", f"{P}/trainings/1/retry", **given)
    same = ("model_variant", "hyperparameters", "architecture", "wanted_trainer", "description", "base_model")
    assert {name: again[name] for name in same} == {name: former[name] for name in same} | expected
    assert again["categories"] == former["categories"]


async def test_a_retry_chooses_other_categories(loop: RunningLoop):
    former = await train(loop)
    await loop.json("POST", f"{P}/trainings/1/abort")
    face, nose = (category["id"] for category in former["categories"])
    second = await loop.json("POST", f"{P}/trainings/1/retry", json={"category_ids": [nose]})
    assert [category["id"] for category in second["categories"]] == [nose]
    await loop.json("POST", f"{P}/trainings/2/abort")
    third = await loop.json("POST", f"{P}/trainings/2/retry", json={"category_ids": None})
    assert [category["id"] for category in third["categories"]] == [face, nose]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"variant": "x"}, "'variant' is not known here; did you mean 'model_variant'?", id="unknown"),
        pytest.param({"hyperparameters": {"epochs": 0}}, "epochs must be a number above 0", id="no epochs"),
        pytest.param({"hyperparameters": {"max_size": 1}}, "contradict", id="does not go with what was there"),
        pytest.param({"category_ids": ["nothing"]}, "there is no category nothing", id="unknown category"),
        pytest.param([], "object", id="list"),
    ],
)
async def test_a_retry_with_what_cannot_be_is_refused(loop: RunningLoop, changes: Any, words: str):
    await train(loop, hyperparameters={"min_size": 5})
    await loop.json("POST", f"{P}/trainings/1/abort")
    assert words in await refused(loop, "POST", "/trainings/1/retry", 422, json=changes)
    assert len((await loop.json("GET", f"{P}/trainings"))["trainings"]) == 1


async def test_why_a_training_waits_is_said_until_a_trainer_has_it(loop: RunningLoop):
    await train(loop, model_variant="large")
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        wanted = "no trainer that is connected offers the variant 'large'; there are: Trainer 1 (small)"
        assert (await one(loop))["waiting_for"] == wanted
        await train(loop)
        await trainer.begun()
        await trainer.say("running")
        record = await one(loop, 2)
        assert (record["state"], record["waiting_for"]) == ("running", None)
        third = await train(loop)
        assert third["waiting_for"] == "trainer Trainer 1 is busy with training 2"
        await loop.json("POST", f"{P}/trainings/3/abort")
        assert (await one(loop, 3))["waiting_for"] is None


async def test_what_went_wrong_stands_beside_the_model(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running")
        told = {"run_training": "its program failed after epoch 12: out of memory; the best model so far was used"}
        await trainer.say("training_finished", errors=told)
        assert (await one(loop))["notice"] is None, "it may be tried again"
        await trainer.upload(1)
        await trainer.say("ready_for_cleanup", errors=told)
        await trainer.say("idle")
        record = await becomes(loop, "finished")
    assert record["notice"] == f"run_training: {told['run_training']}"
    assert (record["error"], record["errors"]) == (None, told)


async def test_since_when_a_trainer_is_away_is_said(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running")
        assert (await one(loop))["notice"] is None
    await until(lambda: not loop.app.state.loop.nodes.all())
    record = await one(loop)
    assert (record["state"], record["trainer"]["is_connected"]) == ("running", False)
    assert record["notice"].startswith("its trainer Trainer 1 is away since 2")
    assert record["notice"].endswith("`learning-loop trainings abort 1` ends it")
    async with scripted_trainer(loop) as trainer:
        await trainer.say("running")
        assert (await one(loop))["notice"] is None


async def test_a_retry_is_refused_while_the_cause_is_there(loop: RunningLoop):
    await train(loop)
    await loop.json("POST", f"{P}/trainings/1/abort")
    [image] = [entry for entry in await loop.list_images() if entry["set"] == "test"]
    path = f"{P}/images/{image['id']}"
    await loop.json("PATCH", path, json={"version": image["version"], "set": "train"})
    assert "set test" in await refused(loop, "POST", "/trainings/1/retry", 422)
    await loop.json("PATCH", path, json={"version": image["version"] + 1, "set": "test"})
    assert (await loop.json("POST", f"{P}/trainings/1/retry"))["number"] == 2


async def test_a_trainer_of_0_3_2_goes_on_from_a_model(loop: RunningLoop):
    """It is begun with the model alone, tells of new ones with ids of its own, and sends files when it is asked."""
    base = await loop.push_model()
    status = {"id": "old", "name": "old one", "uptime": 1.0, "latest_error": None, "latest_produced_model_id": None}
    model_id = str(uuid4())
    async with node_client(loop, None) as old:
        old.answer("begin_training", True)
        old.answer("save", True)
        assert await old.call("update_trainer", status | {"state": "idle"}) is True
        await train(loop)
        await loop.app.state.loop.dispatch.look()
        assert old.called == [], "it cannot begin from nothing"
        await train(loop, base_model="1.0", trainer="old")
        await until(lambda: old.called == [("begin_training", "zauberzeug", "demo", {"id": base["id"]})])
        await becomes(loop, "running", 2)
        assert await old.call("update_trainer", status | {"state": "running"}) is True
        model = {
            "id": model_id,
            "confusion_matrix": {"c": {"tp": 1, "fp": 0, "fn": 0}},
            "parent_id": base["id"],
            "train_image_count": 2,
            "test_image_count": 1,
            "trainer_id": "old",
        }
        for _ in range(2):
            assert await old.call("update_model", "zauberzeug", "demo", model) is True
        await until(lambda: old.called[-1] == ("save", "zauberzeug", "demo", {"id": model_id}))
        assert (await one(loop, 2))["model"] is None, "there are no files yet"
        await loop.json("PUT", f"{P}/models/{model_id}/mocked/file", data=files_form([("weights.bin", b"w")]))
        assert await old.call("update_trainer", status | {"state": "idle"}) is True
        ended = await becomes(loop, "finished", 2)
    assert ended["model"] == {"id": model_id, "version": "1.1", "formats": ["mocked"]}
    record = await loop.json("GET", f"{P}/models/1.1")
    assert (record["parent"]["version"], record["training"]) == ("1.0", 2)
    assert len((await loop.json("GET", f"{P}/trainings/2/metrics"))["epochs"]) == 1
    answer = await model_json(loop, model_id)
    assert [category["name"] for category in answer["categories"]] == ["face", "nose"]


async def test_a_model_that_is_told_of_waits_for_its_files_over_a_restart(tmp_path: Path):
    model_id = str(uuid4())
    async with running_loop(tmp_path) as loop:
        await prepare(loop)
        await loop.push_model()
        async with node_client(loop, None) as old:
            old.answer("begin_training", True)
            old.answer("save", False)
            await old.call("update_trainer", {"id": "old", "state": "idle"})
            await train(loop, base_model="1.0", trainer="old")
            await becomes(loop, "running")
            assert await old.call("update_model", "zauberzeug", "demo", {"id": model_id}) is True
    async with running_loop(tmp_path) as loop:
        await loop.json("PUT", f"{P}/models/{model_id}/mocked/file", data=files_form([("weights.bin", b"w")]))
        assert (await loop.json("GET", f"{P}/models/{model_id}"))["formats"] == ["mocked"]


# --- reports, logs, and who is told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"confusion_matrix": [1]}, "confusion_matrix", id="list"),
        pytest.param({"train_image_count": "two"}, "train_image_count", id="count as text"),
        pytest.param({"hyperparameters": 5}, "hyperparameters", id="hyperparameters are a number"),
        pytest.param({"best_epoch": "last"}, "best_epoch", id="epoch as text"),
        pytest.param({"trainer_id": "other"}, "trainer_id is 'other'", id="another trainer"),
    ],
)
async def test_a_report_that_cannot_be_read_is_answered_by_name(loop: RunningLoop, changes: dict[str, Any], words: str):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        answer = await trainer.report(**changes)
        assert answer["success"] is False
        assert words in answer["error_msg"]
    assert (await loop.json("GET", f"{P}/trainings/1/metrics"))["epochs"] == []


async def test_an_empty_report_is_one(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        nothing = dict.fromkeys(("confusion_matrix", "train_image_count", "test_image_count", "hyperparameters"))
        assert (await trainer.report(epoch=None, **nothing))["success"] is True
        [epoch] = (await loop.json("GET", f"{P}/trainings/1/metrics"))["epochs"]
        assert (epoch["confusion_matrix"], epoch["train_image_count"], epoch["epoch"]) == ({}, 0, None)


async def test_counts_that_cannot_be_kept_are_dropped_and_told(loop: RunningLoop, caplog: pytest.LogCaptureFixture):
    face, nose = (entry["id"] for entry in (await loop.json("GET", P))["categories"])
    await train(loop, category_ids=[face])
    counts = {"tp": 3, "fp": 1, "fn": 2}
    others = ", ".join(map(repr, sorted((nose, "zzz"))))
    foreign = f"its trainer counted what are no ids of categories that it trains: {others}"
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        with caplog.at_level(logging.WARNING):
            for wrong, words in (({"tp": "many", "fp": -1}, "face tp 'many', face fp -1"), ([1], "face [1]")):
                assert (await trainer.report(confusion_matrix={face: wrong}))["success"] is True
                told = (await one(loop))["notice"]
                assert told == f"its trainer counted in a form that cannot be read: {words}"
            for _ in range(2):
                matrix = dict.fromkeys((face, nose, "zzz"), counts)
                assert (await trainer.report(confusion_matrix=matrix))["success"] is True
        assert caplog.text.count(foreign) == 1
        epochs = (await loop.json("GET", f"{P}/trainings/1/metrics"))["epochs"]
        assert [epoch["confusion_matrix"] for epoch in epochs] == [{}, {face: counts}]
        await trainer.say("running")
        await trainer.upload(1)
        await trainer.say("idle")
        assert (await becomes(loop, "finished"))["notice"] == foreign
    assert (await loop.json("GET", f"{P}/models/1.0"))["confusion_matrix"] == {face: counts}


async def test_counts_that_are_all_right_at_last_are_no_longer_told(loop: RunningLoop):
    await train(loop)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await trainer.begun()
        await trainer.report(confusion_matrix={"face": {"tp": 1}})
        assert (await one(loop))["notice"] is not None
        await trainer.report(confusion_matrix={})
        assert (await one(loop))["notice"] is None


async def test_reports_without_a_training_are_refused(loop: RunningLoop):
    async with scripted_trainer(loop) as trainer:
        await trainer.say("running")
        answer = await trainer.report()
        assert (answer["success"], answer["code"]) == (False, "refused")
        answer = await trainer.call("update_training", "nowhere", "nothing", {"trainer_id": "trainer 1"})
        assert answer["success"] is False


async def test_the_end_of_a_log_is_kept(loop: RunningLoop):
    await train(loop)
    assert await loop.json("GET", f"{P}/trainings/1/log") == {"text": "", "size_bytes": 0}
    await loop.json("POST", f"{P}/trainings/1/log", json={"text": "epoch\0 1\n"})
    assert await loop.json("GET", f"{P}/trainings/1/log") == {"text": "epoch 1\n", "size_bytes": 9}
    await loop.json("POST", f"{P}/trainings/1/log", json={"text": "epoch 9\n", "size_bytes": 100_000})
    assert await loop.json("GET", f"{P}/trainings/1/log") == {"text": "epoch 9\n", "size_bytes": 100_000}
    assert "text" in await refused(loop, "POST", "/trainings/1/log", 422, json={"text": "x" * 65_537})


async def test_changes_are_told(loop: RunningLoop):
    changes = loop.app.state.loop.changes
    before = changes.last
    async with scripted_trainer(loop) as trainer:
        await train(loop)
        await trainer.say("idle")
        await trainer.begun()
        await trainer.say("running", progress=0.1)
        await trainer.say("running", progress=0.2)
        await trainer.say("running", progress=0.2)
        await trainer.upload(1)
        await trainer.say("idle")
        await becomes(loop, "finished")
    told = [(change.subject, change.ids) for change in changes.since(before)]
    assert told.count(("trainings", ["1"])) >= 6
    assert sum(subject == "models" for subject, _ in told) == 1


async def test_a_project_that_is_deleted_offers_nothing(loop: RunningLoop):
    await train(loop)
    await loop.json("DELETE", P)
    async with scripted_trainer(loop) as trainer:
        await trainer.say("idle")
        await loop.app.state.loop.dispatch.look()
        assert trainer.given == []
        await loop.json("POST", f"{P}/restore")
        await trainer.say("idle")
        await trainer.begun()


async def add_user(loop: RunningLoop, name: str, organization: str, role: str) -> None:
    user = {"name": name, "password": PASSWORD, "organizations": {organization: role}}
    await loop.json("POST", "/users", json=user)
