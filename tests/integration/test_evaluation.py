"""What models are worth on images whose content is known, as the loop works it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from learning_loop_node.client.evaluation import Curve, Demand
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.errors import NotFoundError, TooLargeError
from learning_loop_node.loop_server.storage import evaluation, models, projects
from learning_loop_node.loop_server.storage.evaluation import Question
from learning_loop_node.loop_server.storage.tables import TrainingRow
from learning_loop_node.settings import LoopSettings
from tests.builders import jpeg
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, running_loop

CATEGORIES = [{"name": "face", "type": "box"}, {"name": "eye", "type": "point", "point_size": 4}]
FACE = {"category_name": "face", "x": 10, "y": 10, "width": 20, "height": 20}
EYE = {"category_name": "eye", "x": 30, "y": 30}


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    """A project with the models 1.0 and 1.1, and four complete test images a, b, c, d, each with a face and an eye."""
    async with running_loop(tmp_path) as running:
        await running.create_project(CATEGORIES)
        for version in ("1.0", "1.1"):
            await running.push_model(version=version)
        for number, id_ in enumerate("abcd"):
            await add_image(running, id_, number)
        yield running


async def add_image(loop: RunningLoop, id_: str, number: int, **changes: Any) -> None:
    marks = {"box_annotations": [FACE], "point_annotations": [EYE]}
    metadata = {"id": id_, "state": "complete", "set": "test"} | marks | changes
    await loop.post_images([jpeg(seed=number)], metadata=metadata)


def found(model: str, place: dict[str, Any], confidence: float = 0.9, **changes: Any) -> dict[str, Any]:
    return place | {"model_name": model, "confidence": confidence} | changes


async def detect(
    loop: RunningLoop,
    model: str,
    faces: dict[str, Sequence[dict[str, Any]]],
    eyes: dict[str, Sequence[dict[str, Any]]] | None = None,
    *,
    looked: str | None = None,
) -> None:
    """Say what a model found, by image: the places of faces and of eyes; and which one looked at all of them."""
    eyes = eyes or {}
    entries = [
        {
            "image_id": id_,
            "box_detections": [found(model, place) for place in faces.get(id_, ())],
            "point_detections": [found(model, place) for place in eyes.get(id_, ())],
        }
        for id_ in dict.fromkeys([*faces, *eyes])
    ]
    await loop.json("POST", f"{P}/detections", json=entries, params={"model": looked} if looked else {})


def loop_settings(loop: RunningLoop) -> LoopSettings:
    password = SecretStr(loop.password)
    return LoopSettings(
        host=loop.host, organization=ORGANIZATION, project=PROJECT, username=loop.username, password=password
    )


async def evaluate(loop: RunningLoop, model: str = "1.0", **parameters: Any) -> Any:
    return await loop.json("GET", f"{P}/models/{model}/evaluation", params=parameters)


async def compare(loop: RunningLoop, *names: str, **parameters: Any) -> Any:
    asked = [("model", name) for name in names] + list(parameters.items())
    return await loop.json("GET", f"{P}/models/compare", params=asked)


async def test_before_anybody_has_looked(loop: RunningLoop):
    score = await evaluate(loop)
    assert score["images"] == {
        "in_set": 4, "compared": 0, "looked_at": 0, "without_detections": 0, "is_limited": False,
    }  # fmt: skip
    assert (score["macro_f1"], score["version"], score["set"]) == (None, "1.0", "test")
    assert score["mean_average_precision"] is None
    nothing = {"tp": 0, "fp": 0, "fn": 0, "precision": None, "recall": None, "f1": None}
    assert score["total"] == nothing
    assert [(entry["name"], entry["type"], entry["f1"]) for entry in score["categories"]] == [
        ("face", "box", None),
        ("eye", "point", None),
    ]


async def test_each_category_is_counted(loop: RunningLoop):
    shifted = FACE | {"x": 12}
    await detect(
        loop, "1.0", {"a": [shifted], "b": [FACE, FACE | {"x": 60}], "c": [], "d": [FACE | {"x": 25}]}, {"a": [EYE]}
    )
    score = await evaluate(loop)
    face, eye = score["categories"]
    assert (face["tp"], face["fp"], face["fn"]) == (2, 2, 2)
    assert (face["precision"], face["recall"], face["f1"]) == (0.5, 0.5, 0.5)
    assert (eye["tp"], eye["fp"], eye["fn"]) == (1, 0, 3)
    assert (eye["precision"], eye["recall"], eye["f1"]) == (1.0, 0.25, 0.4)
    assert score["macro_f1"] == pytest.approx(0.45)
    assert (score["total"]["tp"], score["total"]["fp"], score["total"]["fn"]) == (3, 2, 5)
    assert score["images"] == {
        "in_set": 4, "compared": 4, "looked_at": 4, "without_detections": 1, "is_limited": False,
    }  # fmt: skip
    assert await evaluate(loop, model=score["model_id"]) == score


async def test_average_precision_looks_at_all_detections_however_sure(loop: RunningLoop):
    places = [(FACE, 0.9), (FACE | {"x": 60}, 0.8), (FACE, 0.3)]
    entries = [
        {"image_id": id_, "box_detections": [found("1.0", place, confidence)]}
        for id_, (place, confidence) in zip("abc", places, strict=True)
    ]
    entries.append({"image_id": "d", "box_detections": []})
    await loop.json("POST", f"{P}/detections", json=entries, params={"model": "1.0"})
    for least in (0.0, 0.5):
        score = await evaluate(loop, min_confidence=least, curves="true")
        face, eye = score["categories"]
        assert face["average_precision"] == pytest.approx((26 + 25 * 2 / 3) / 101)
        assert face["curve"] == {
            "confidence": [0.9, 0.8, 0.3], "precision": [1.0, 0.5, 0.6667], "recall": [0.25, 0.25, 0.5],
        }  # fmt: skip
        assert eye["average_precision"] == 0.0, "there are eyes, and none is found"
        assert eye["curve"] == {"confidence": [], "precision": [], "recall": []}
        assert score["mean_average_precision"] == pytest.approx(face["average_precision"] / 2)
        assert face["fn"] == (2 if not least else 3)
    assert (await evaluate(loop))["categories"][0]["curve"] is None, "nobody has asked for it"


async def test_a_long_curve_has_its_ends_and_not_too_many_places(loop: RunningLoop):
    faces = [found("1.0", FACE | {"x": 40}, 0.9 - number / 1000) for number in range(500)]
    entry = {"image_id": "a", "box_detections": [*faces, found("1.0", FACE, 0.1)]}
    await loop.json("POST", f"{P}/detections", json=[entry], params={"model": "1.0"})
    curve = (await evaluate(loop, curves="true"))["categories"][0]["curve"]
    assert len(curve["recall"]) == 200
    assert (curve["confidence"][0], curve["confidence"][-1], curve["recall"][-1]) == (0.9, 0.1, 1.0)


async def test_only_complete_images_of_the_set_count(loop: RunningLoop):
    await add_image(loop, "train", 10, set="train")
    await add_image(loop, "inbox", 11, state="inbox")
    await add_image(loop, "deleted", 12)
    await loop.json("DELETE", f"{P}/images/deleted", params={"version": 1})
    await detect(loop, "1.0", {id_: [FACE] for id_ in ("a", "train", "inbox")})
    assert (await evaluate(loop))["images"]["compared"] == 1
    assert (await evaluate(loop))["categories"][0]["tp"] == 1
    assert (await evaluate(loop, set="train"))["images"]["in_set"] == 1
    assert (await evaluate(loop, set="val"))["images"]["in_set"] == 0


async def test_what_a_model_looked_at_without_finding_anything_counts(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE]})
    assert (await evaluate(loop))["total"]["fn"] == 1, "nobody has said that it looked at others"
    await detect(loop, "1.0", {"b": [], "c": []})
    assert (await evaluate(loop))["images"]["looked_at"] == 1, "nor of which model this is"
    await detect(loop, "1.0", {"b": [], "c": []}, looked="1.0")
    images = (await evaluate(loop))["images"]
    assert (images["looked_at"], images["without_detections"]) == (3, 2)
    await detect(loop, "1.0", {"a": [], "b": [FACE]})
    images = (await evaluate(loop))["images"]
    assert (images["looked_at"], images["without_detections"]) == (3, 2), "a is blank now, b no longer"


async def test_parameters_say_what_counts_as_found(loop: RunningLoop):
    unsure = [found("1.0", FACE, 0.2), found("1.0", FACE | {"x": 60}, 0.1)]
    body = [{"image_id": "a", "box_detections": unsure, "point_detections": [found("1.0", EYE | {"x": 35})]}]
    await loop.json("POST", f"{P}/detections", json=body)

    def counts(score: Any, place: int) -> tuple[int, int, int]:
        entry = score["categories"][place]
        return entry["tp"], entry["fp"], entry["fn"]

    assert counts(await evaluate(loop), 0) == (1, 1, 0)
    assert counts(await evaluate(loop, min_confidence=0.15), 0) == (1, 0, 0)
    assert counts(await evaluate(loop, min_confidence=0.5), 0) == (0, 0, 1)
    assert counts(await evaluate(loop), 1) == (0, 1, 1), "farther than the point size of 4"
    assert counts(await evaluate(loop, max_distance=5), 1) == (1, 0, 0)
    await detect(loop, "1.0", {"a": [FACE | {"x": 15}]})
    assert counts(await evaluate(loop), 0) == (1, 0, 0)
    assert counts(await evaluate(loop, min_overlap=0.8), 0) == (0, 1, 1)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        pytest.param({"min_confidence": 2}, "min_confidence", id="confidence"),
        pytest.param({"min_overlap": -1}, "min_overlap", id="overlap"),
        pytest.param({"set": "all"}, "set", id="set"),
        pytest.param({"max_distance": "nan"}, "max_distance", id="distance"),
        pytest.param({"limit": 0}, "limit", id="limit"),
    ],
)
async def test_what_cannot_be_asked(loop: RunningLoop, parameters: dict[str, Any], word: str):
    async with loop.admin.get(f"/api{P}/models/1.0/evaluation", params=parameters) as answer:
        assert answer.status == 422
        assert word in (await answer.json())["detail"]


async def test_confidences_in_percent_are_understood(loop: RunningLoop):
    await loop.json(
        "POST",
        f"{P}/detections",
        json=[{"image_id": "a", "box_detections": [found("1.0", FACE, 87.5), found("1.0", FACE | {"x": 60}, 0.9)]}],
    )
    face = (await evaluate(loop, min_confidence=0.5))["categories"][0]
    assert (face["tp"], face["fp"]) == (1, 0)


async def test_a_model_may_name_its_own_threshold(loop: RunningLoop):
    await loop.push_model({"model.json": b'{"conf_threshold": 0.5}', "weights": b"w"}, version="2.0")
    body = [{"image_id": "a", "box_detections": [found("2.0", FACE, 0.6), found("2.0", FACE | {"x": 60}, 0.4)]}]
    await loop.json("POST", f"{P}/detections", json=body)
    score = await evaluate(loop, "2.0")
    assert (score["min_confidence"], score["categories"][0]["fp"]) == (0.5, 0)
    assert (await evaluate(loop, "2.0", min_confidence=0))["categories"][0]["fp"] == 1


async def test_detections_of_categories_that_are_gone_are_counted_apart(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE, FACE | {"category_name": "dog"}]})
    score = await evaluate(loop)
    assert (score["total"]["fp"], score["ignored_detections"]) == (0, 1)


async def test_outlines_and_classes_are_counted(loop: RunningLoop):
    for name, kind in (("cat", "segmentation"), ("asleep", "classification")):
        await loop.json("POST", f"{P}/categories", json={"categories": [{"name": name, "type": kind}]})
    points = [{"x": 0, "y": 0}, {"x": 40, "y": 0}, {"x": 0, "y": 40}]
    marks = {
        "segmentation_annotations": [{"category_name": "cat", "shape": {"points": points}}],
        "classification_annotation": {"category_name": "asleep"},
    }
    await add_image(loop, "e", 20, box_annotations=[], point_annotations=[], **marks)
    body = {
        "image_id": "e",
        "segmentation_detections": [found("1.0", {"category_name": "cat", "shape": "0,0,42,0,0,42"})],
        "classification_detections": [found("1.0", {"category_name": "asleep"})],
    }
    await loop.json("POST", f"{P}/detections", json=[body])
    score = await evaluate(loop)
    assert score["macro_f1"] == 1.0
    assert score["total"]["tp"] == 2


async def test_models_are_compared_on_the_images_that_all_have_seen(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE], "b": [FACE], "c": []})
    await detect(loop, "1.1", {"b": [FACE], "c": [FACE], "d": [FACE]}, {"b": [EYE], "c": [EYE]})
    answer = await compare(loop, "1.0", "1.1")
    old, new = answer["models"]
    assert [entry["version"] for entry in (old, new)] == ["1.0", "1.1"]
    assert (old["images"]["compared"], new["images"]["compared"]) == (2, 2)
    assert (old["images"]["looked_at"], old["images"]["without_detections"]) == (3, 1)
    assert (new["images"]["looked_at"], new["images"]["without_detections"]) == (3, 0)
    assert (old["categories"][0]["tp"], old["categories"][0]["fn"]) == (1, 1)
    assert (new["macro_f1"], answer["best"]) == (1.0, "1.1")
    assert (await evaluate(loop, "1.1"))["images"]["compared"] == 3


async def test_equal_models_have_no_best(loop: RunningLoop):
    assert (await compare(loop, "1.0", "1.1"))["best"] is None
    for model in ("1.0", "1.1"):
        await detect(loop, model, {"a": [FACE]})
    assert (await compare(loop, "1.0", "1.1"))["best"] is None


@pytest.mark.parametrize(
    ("names", "status", "word"),
    [
        pytest.param(["1.0"], 422, "model", id="one"),
        pytest.param(["1.0", "1.0"], 422, "once", id="the same twice"),
        pytest.param(["1.0", "9.9"], 404, "there are: 1.0, 1.1", id="unknown"),
        pytest.param([f"1.{number}" for number in range(11)], 422, "model", id="too many"),
    ],
)
async def test_what_cannot_be_compared(loop: RunningLoop, names: list[str], status: int, word: str):
    asked = [("model", name) for name in names]
    async with loop.admin.get(f"/api{P}/models/compare", params=asked) as answer:
        assert (answer.status, word in (await answer.json())["detail"]) == (status, True)


async def test_the_newest_images_are_looked_at_first(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE], "d": []})
    score = await evaluate(loop, limit=2)
    assert (score["images"]["in_set"], score["images"]["is_limited"], score["total"]["tp"]) == (2, True, 0)
    assert (await evaluate(loop, limit=4))["images"]["is_limited"] is False


async def test_counting_ends_after_its_time(loop: RunningLoop):
    database = loop.app.state.loop.database
    async with database.reading() as session:
        project = await projects.project_named(session, ORGANIZATION, PROJECT)
        model = await models.model_named(session, project.id, "1.0")
        with pytest.raises(TooLargeError, match="fewer images"):
            await evaluation.compare(session, project, [model], Question(), longest_s=-1)


async def test_detections_of_one_model_are_listed(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE], "b": [FACE, FACE], "c": []})
    await detect(loop, "1.1", {"a": [FACE | {"x": 0}], "d": [FACE]})
    path = f"{P}/models/1.0/detections"
    first = await loop.json("GET", path, params={"limit": 1})
    [image] = first["images"]
    assert image["image_id"] == "a"
    assert [entry["model_name"] for entry in image["box_detections"]] == ["1.0"]
    assert image["point_detections"] == image["segmentation_detections"] == image["classification_detections"] == []
    ids, cursor = [image["image_id"]], first["next"]
    while cursor is not None:
        page = await loop.json("GET", path, params={"limit": 1, "cursor": cursor})
        ids += [entry["image_id"] for entry in page["images"]]
        cursor = page["next"]
    assert ids == ["a", "b"]
    one = await loop.json("GET", path, params={"image_id": "b"})
    assert (len(one["images"][0]["box_detections"]), one["next"]) == (2, None)
    blank = await loop.json("GET", path, params={"image_id": "c"})
    assert blank["images"][0]["box_detections"] == []
    async with loop.admin.get(f"/api{path}", params={"image_id": "nowhere"}) as answer:
        assert answer.status == 404
    await loop.json("POST", f"{P}/detections", json=first["images"])
    assert (await loop.json("GET", path, params={"limit": 1}))["images"] == first["images"], "it can be sent back"


async def test_deleted_images_do_not_count(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE], "b": []})
    assert (await evaluate(loop))["images"]["without_detections"] == 1
    await loop.json("DELETE", f"{P}/images/b", params={"version": 1})
    assert (await evaluate(loop))["images"]["in_set"] == 3


@pytest.mark.parametrize(
    ("state", "errors", "looked_at"),
    [
        pytest.param("detection_uploading", {}, 1, id="while it sends them"),
        pytest.param("ready_for_cleanup", {"detecting": "no memory"}, 1, id="failed to detect"),
        pytest.param("ready_for_cleanup", {"upload_detections": "refused"}, 1, id="failed to send them"),
        pytest.param("ready_for_cleanup", {}, 4, id="done"),
    ],
)
async def test_a_trainer_has_looked_at_what_was_there(
    loop: RunningLoop, state: str, errors: dict[str, str], looked_at: int
):
    """Some trainers send nothing for images in which they found nothing."""
    model = await loop.push_model(version="2.0")
    await add_image(loop, "later", 30)
    await detect(loop, "2.0", {"a": [FACE]})
    async with loop.app.state.loop.database.writing() as session:
        row = await projects.project_named(session, ORGANIZATION, PROJECT)
        asked = {"number": 1, "model_variant": "", "hyperparameters": {}, "categories": []}
        training = TrainingRow(id="t", project_id=row.id, state="running", created=datetime.now(UTC), **asked)
        training.model_id, training.trainer_state, training.errors = model["id"], state, errors
        session.add(training)
    images = (await evaluate(loop, "2.0"))["images"]
    assert (images["in_set"], images["looked_at"], images["without_detections"]) == (5, looked_at, looked_at - 1)


async def test_the_client_asks_the_same(loop: RunningLoop):
    await detect(loop, "1.0", {"a": [FACE], "b": [FACE], "c": []}, {"a": [EYE]})
    await detect(loop, "1.1", {"a": [FACE], "b": []})
    async with LoopHttp(loop_settings(loop)) as http:
        evaluations = LoopClient(http).evaluations
        score = await evaluations.of("1.0", Demand(min_overlap=0.9))
        assert (score.images.compared, score.total.tp, score.categories[1].f1) == (3, 3, 0.5)
        compared = await evaluations.compare(["1.0", "1.1"])
        assert ([entry.version for entry in compared.models], compared.best) == (["1.0", "1.1"], "1.0")
        assert compared.models[1].macro_f1 == pytest.approx(1 / 3)
        assert compared.models[1].categories[0].curve is None
        assert compared.models[1].mean_average_precision == pytest.approx(51 / 101 / 2)
        drawn = await evaluations.compare(["1.0", "1.1"], Demand(curves=True))
        assert drawn.models[1].categories[0].curve == Curve(confidence=[0.9], precision=[1.0], recall=[0.5])
        assert compared.models[1].images.compared == 2
        listed = [entry async for entry in evaluations.detections("1.0", page_size=1)]
        assert [(entry["image_id"], len(entry["point_detections"])) for entry in listed] == [("a", 1), ("b", 0)]
        assert (await evaluations.detections_in("1.1", "b"))["box_detections"] == []
        with pytest.raises(NotFoundError, match=r"there are: 1\.0, 1\.1"):
            await evaluations.of("9.9")


async def test_too_many_who_ask_are_refused(loop: RunningLoop):
    statuses = await asyncio.gather(*(status_of(loop) for _ in range(60)))
    assert set(statuses) == {200, 503}
    assert (await evaluate(loop))["images"]["in_set"] == 4


async def status_of(loop: RunningLoop) -> int:
    async with loop.admin.get(f"/api{P}/models/1.0/evaluation") as answer:
        return answer.status
