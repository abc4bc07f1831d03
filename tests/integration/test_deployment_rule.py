"""Which new models are deployed by the rule of their project."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.client.deployment import DeployRule
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.loop_server.deployment_rule import Decision, consider
from learning_loop_node.loop_server.storage import models, projects
from tests.builders import jpeg
from tests.integration.test_evaluation import loop_settings
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, running_loop

FACE = {"category_name": "face", "x": 10, "y": 10, "width": 20, "height": 20}
ELSEWHERE = FACE | {"x": 40}
IMAGES = "abcd"
RULE = {"automatic": True, "min_images": 4}
OFF = {"automatic": False, "min_improvement": 0.0, "set": "test", "min_images": 10}


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    """A project with four complete test images, in each of them a face, and without models."""
    async with running_loop(tmp_path) as running:
        await running.create_project()
        for number, id_ in enumerate(IMAGES):
            metadata = {"id": id_, "state": "complete", "set": "test", "box_annotations": [FACE]}
            await running.post_images([jpeg(seed=number)], metadata=metadata)
        yield running


async def push(loop: RunningLoop, version: str, right: int, *, images: Sequence[str] = IMAGES) -> None:
    """A model that finds the face in so many of these images, and something else in the others."""
    await loop.push_model(version=version)
    entries = [
        {
            "image_id": id_,
            "box_detections": [(FACE if place < right else ELSEWHERE) | {"model_name": version, "confidence": 0.9}],
        }
        for place, id_ in enumerate(images)
    ]
    await loop.json("POST", f"{P}/detections", json=entries)


async def considered(loop: RunningLoop, version: str, **options: float) -> Decision | None:
    """What the rule makes of this model, as at the end of its training."""
    inside = loop.app.state.loop
    async with inside.database.reading() as session:
        project = await projects.project_named(session, ORGANIZATION, PROJECT)
        model = await models.model_named(session, project.id, version)
    return await consider(inside, project, model, **options)


async def set_rule(loop: RunningLoop, **changes: Any) -> None:
    await loop.json("PUT", f"{P}/deployment/rule", json=RULE | changes)


async def deployed(loop: RunningLoop) -> list[tuple[str, str | None]]:
    """What was deployed, and by whom, the last one first."""
    entries = (await loop.json("GET", f"{P}/deployment/history"))["deployments"]
    return [(entry["version"], entry["user"]) for entry in entries]


async def told(loop: RunningLoop, version: str) -> str | None:
    """What the record of a model says about the decision."""
    entries = (await loop.json("GET", f"{P}/models"))["models"]
    decisions: dict[str, str | None] = {entry["version"]: entry["deployment_decision"] for entry in entries}
    return decisions[version]


async def test_nothing_is_deployed_unless_somebody_says_so(loop: RunningLoop):
    assert await loop.json("GET", f"{P}/deployment/rule") == OFF
    await push(loop, "1.0", 4)
    assert await considered(loop, "1.0") is None
    assert (await deployed(loop), await told(loop, "1.0")) == ([], None)


@pytest.mark.parametrize(
    ("rule", "old", "new", "reason"),
    [
        pytest.param({}, None, 1, "deployed: macro F1 0.250 on 4 images of the set test, and no model", id="first"),
        pytest.param(
            {}, None, 0, "not deployed: macro F1 0.000 on 4 images of the set test; it has found", id="useless"
        ),
        pytest.param({}, 1, 0, "not deployed: macro F1 0.000 on 4 images", id="useless after another"),
        pytest.param({}, 2, 3, "deployed: macro F1 0.750 against 0.500 of 1.0 on 4 images", id="better"),
        pytest.param({}, 2, 2, "not deployed: macro F1 0.500 against 0.500", id="as good"),
        pytest.param({}, 3, 2, "not deployed: macro F1 0.500 against 0.750", id="worse"),
        pytest.param({"min_improvement": 0.25}, 2, 3, "deployed: ", id="just enough"),
        pytest.param({"min_improvement": 0.3}, 2, 3, "the rule asks for 0.3 more", id="not enough"),
        pytest.param({"min_images": 5}, 2, 4, "evaluated on 4 images of the set test, the rule asks for 5", id="few"),
        pytest.param({"set": "val"}, None, 4, "evaluated on 0 images of the set val", id="an empty set"),
    ],
)
async def test_what_the_rule_says(loop: RunningLoop, rule: dict[str, Any], old: int | None, new: int, reason: str):
    await set_rule(loop, **rule)
    before: list[tuple[str, str | None]] = []
    if old is not None:
        await push(loop, "1.0", old)
        await loop.json("PUT", f"{P}/deployment/target", json={"version": "1.0"})
        before = [("1.0", "admin")]
    await push(loop, "1.1", new)
    decision = await considered(loop, "1.1")
    assert decision is not None
    assert reason in decision.reason
    assert decision.is_yes is decision.reason.startswith("deployed")
    assert await deployed(loop) == ([("1.1", "rule")] if decision.is_yes else []) + before
    assert await told(loop, "1.1") == decision.reason


async def test_a_rule_with_a_field_that_is_not_known_is_refused_by_its_name(loop: RunningLoop):
    async with loop.admin.put(f"/api{P}/deployment/rule", json={"automatic": True, "min_improvment": 0.5}) as answer:
        assert answer.status == 422
        told = (await answer.json())["detail"]
    assert "'min_improvment' is not known here; did you mean 'min_improvement'?" in told
    assert await loop.json("GET", f"{P}/deployment/rule") == OFF


async def test_a_rule_that_a_later_version_has_kept_is_understood(loop: RunningLoop):
    async with loop.app.state.loop.database.writing() as session:
        project = await projects.project_named(session, ORGANIZATION, PROJECT)
        project.deploy_rule = RULE | {"of_tomorrow": 1}
    assert await loop.json("GET", f"{P}/deployment/rule") == OFF | RULE


async def test_only_what_both_have_seen_is_compared(loop: RunningLoop):
    await set_rule(loop, min_images=2)
    await push(loop, "1.0", 2)
    await loop.json("PUT", f"{P}/deployment/target", json={"version": "1.0"})
    await push(loop, "1.1", 2, images="ab")
    decision = await considered(loop, "1.1")
    assert decision is not None
    assert "macro F1 1.000 against 1.000 of 1.0 on 2 images" in decision.reason


async def test_what_a_person_took_back_stays_so(loop: RunningLoop):
    await set_rule(loop)
    await push(loop, "1.0", 2)
    await loop.json("PUT", f"{P}/deployment/target", json={"version": "1.0"})
    await push(loop, "1.1", 4)
    assert await considered(loop, "1.1")
    await loop.json("POST", f"{P}/deployment/rollback", json={})
    decision = await considered(loop, "1.1")
    assert decision == Decision(False, "not deployed: it was deployed before, and people decide whether it is again")
    assert await deployed(loop) == [("1.0", "admin"), ("1.1", "rule"), ("1.0", "admin")]


async def test_a_model_without_files_is_never_deployed(loop: RunningLoop):
    await set_rule(loop)
    await push(loop, "1.0", 4)
    inside = loop.app.state.loop
    async with inside.database.writing() as session:
        project = await projects.project_named(session, ORGANIZATION, PROJECT)
        model = await models.model_named(session, project.id, "1.0")
        for row in (await models.formats_of(session, [model]))[model.id]:
            await session.delete(row)
    decision = await considered(loop, "1.0")
    assert decision == Decision(False, "not deployed: it has no files")
    assert await deployed(loop) == []


async def test_nothing_annotated_is_nothing_to_compare(loop: RunningLoop):
    await set_rule(loop, min_images=1, set="val")
    await loop.post_images([jpeg(seed=9)], metadata={"id": "bare", "state": "complete", "set": "val"})
    await push(loop, "1.0", 1, images=["bare"])
    decision = await considered(loop, "1.0")
    assert decision is not None
    assert "nothing is annotated in the 1 image of the set val" in decision.reason


async def test_what_cannot_be_compared_in_time_is_not_deployed(loop: RunningLoop):
    await set_rule(loop)
    await push(loop, "1.0", 4)
    decision = await considered(loop, "1.0", longest_s=-1)
    assert decision is not None
    assert decision.reason.startswith("not deployed: could not be compared (counting took longer")
    assert (await told(loop, "1.0"), await deployed(loop)) == (decision.reason, [])


async def test_decisions_are_told(loop: RunningLoop):
    await set_rule(loop)
    await push(loop, "1.0", 4)
    changes = loop.app.state.loop.changes
    last = changes.last
    await considered(loop, "1.0")
    assert [change.subject for change in changes.since(last)] == ["models", "deployments"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        pytest.param({"automatic": "perhaps"}, "automatic", id="no truth"),
        pytest.param({"min_improvement": -0.1}, "min_improvement", id="a step back"),
        pytest.param({"min_improvement": 2}, "min_improvement", id="more than there is"),
        pytest.param({"set": "all"}, "set", id="no set"),
        pytest.param({"min_images": 0}, "min_images", id="no images"),
    ],
)
async def test_what_is_no_rule(loop: RunningLoop, body: dict[str, Any], word: str):
    async with loop.admin.put(f"/api{P}/deployment/rule", json=body) as answer:
        assert (answer.status, word in (await answer.json())["detail"]) == (422, True)
    assert await loop.json("GET", f"{P}/deployment/rule") == OFF


async def test_the_client_sets_the_rule(loop: RunningLoop):
    async with LoopHttp(loop_settings(loop)) as http:
        deployment = LoopClient(http).deployment
        assert await deployment.rule() == DeployRule()
        rule = DeployRule(automatic=True, min_improvement=0.02, set="val", min_images=20)
        assert await deployment.set_rule(rule) == rule == await deployment.rule()


async def test_nobody_is_called_like_the_rule(loop: RunningLoop):
    body = {"name": "rule", "password": "ten or more", "organizations": {}}
    async with loop.admin.post("/api/users", json=body) as answer:
        assert (answer.status, "reserved" in (await answer.json())["detail"]) == (422, True)
