"""What converters tell the loop, and what it shows at the model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from learning_loop_node.loop_server.storage.conversions import CLAIM
from learning_loop_node.loop_server.storage.tables import ConversionRow
from tests.loop import P, RunningLoop, files_form, running_loop

NOBODY_KNOWS = "00000000-0000-4000-8000-000000000000"


async def test_a_model_without_conversions(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        model = await model_in(loop)
        assert await loop.json("GET", f"{P}/models/{model}/conversions") == {"conversions": []}
        assert await problems(loop) == []


async def test_one_converter_at_a_time(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        model = await model_in(loop)
        begun = await put(loop, model, report("running", "one"))
        assert (begun["state"], begun["node"], begun["attempts"]) == ("running", "node one", 1)
        assert await refusal(loop, model, report("running", "two")) == (
            409,
            "model 1.0 is being converted to format_b by node one already",
        )
        assert await refusal(loop, model, report("failed", "two")) == (
            409,
            "model 1.0 is being converted to format_b by node one already",
        )
        assert (await put(loop, model, report("running", "one")))["attempts"] == 1  # it is still at it


async def test_a_converter_that_says_nothing_for_two_minutes_is_not_waited_for(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        model = await model_in(loop)
        await put(loop, model, report("running", "one"))
        async with loop.app.state.loop.database.writing() as session:
            long_ago = datetime.now(UTC) - CLAIM - timedelta(seconds=1)
            await session.execute(update(ConversionRow).values(changed=long_ago))
        taken = await put(loop, model, report("running", "two"))
        assert (taken["node"], taken["attempts"]) == ("node two", 2)


async def test_what_failed_is_shown_at_the_model_until_it_is_asked_for_again(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        model = await model_in(loop)
        await put(loop, model, report("running", "one"))
        await put(loop, model, report("failed", "one", error="no such layer", code="child_raised"))
        [problem] = await problems(loop)
        assert problem | {"changed": ""} == {
            "format": "format_b",
            "state": "failed",
            "error": "no such layer",
            "code": "child_raised",
            "node": "node one",
            "node_id": "one",
            "converter": "Halves 1",
            "source_format": "format_a",
            "source_sha256": "ab" * 32,
            "attempts": 1,
            "changed": "",
        }
        asked = await loop.json("POST", f"{P}/models/{model}/conversions/format_b/retry")
        assert (asked["state"], asked["error"], asked["attempts"]) == ("waiting", None, 1)
        assert await loop.json("POST", f"{P}/models/{model}/conversions/format_b/retry") | {"changed": ""} == asked | {
            "changed": ""
        }
        assert await problems(loop) == []
        assert (await put(loop, model, report("running", "two")))["attempts"] == 2


async def test_the_format_ends_the_conversion_whoever_sends_it(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        model = await model_in(loop)
        await put(loop, model, report("failed", "one", error="no such layer"))
        form = files_form([("b.txt", b"b")])
        await loop.json("PUT", f"{P}/models/{model}/format_b/file", data=form)
        assert await problems(loop) == []
        [record] = (await loop.json("GET", f"{P}/models/{model}/conversions"))["conversions"]
        assert (record["state"], record["error"]) == ("done", None)
        status, text = await refusal(loop, model, report("running", "one"))
        assert (status, text) == (409, f"the model {model} is stored in format format_b already")
        async with loop.admin.post(f"/api{P}/models/{model}/conversions/format_b/retry") as answer:
            assert (answer.status, (await answer.json())["detail"]) == (
                409,
                "the conversion of model 1.0 to format_b is done, not failed",
            )


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        pytest.param("{model}/conversions/format_b", {"state": "done"}, 422, "state", id="done is seen, not said"),
        pytest.param("{model}/conversions/format_b", {"node_id": ""}, 422, "node_id", id="nobody"),
        pytest.param("{model}/conversions/format_b", {"error": "x" * 5000}, 422, "error", id="too long"),
        pytest.param("{model}/conversions/a.b", {}, 422, "format 'a.b'", id="no format"),
        pytest.param(f"{NOBODY_KNOWS}/conversions/format_b", {}, 404, "there is no model 0", id="no model"),
    ],
)
async def test_what_cannot_be(path: str, body: dict[str, Any], status: int, text: str, tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        model = await model_in(loop)
        path = f"/api{P}/models/{path.format(model=model)}"
        async with loop.admin.put(path, json=report("running", "one") | body) as answer:
            assert (answer.status, text in (await answer.json())["detail"]) == (status, True)
        async with loop.admin.post(f"/api{P}/models/{model}/conversions/format_c/retry") as answer:
            assert (answer.status, "no converter has tried" in (await answer.json())["detail"]) == (404, True)


async def model_in(loop: RunningLoop) -> str:
    """The id of the only model of the only project, which has `format_a`."""
    await loop.create_project()
    return str((await loop.push_model(model_format="format_a"))["id"])


def report(state: str, node: str, **changes: Any) -> dict[str, Any]:
    return {
        "state": state,
        "node_id": node,
        "node": f"node {node}",
        "converter": "Halves 1",
        "source_format": "format_a",
        "source_sha256": "ab" * 32,
    } | changes


async def put(loop: RunningLoop, model: str, body: dict[str, Any]) -> dict[str, Any]:
    path = f"{P}/models/{model}/conversions/format_b"
    return await loop.json("PUT", path, json=body)  # type: ignore[no-any-return]


async def refusal(loop: RunningLoop, model: str, body: dict[str, Any]) -> tuple[int, str]:
    async with loop.admin.put(f"/api{P}/models/{model}/conversions/format_b", json=body) as answer:
        return answer.status, (await answer.json())["detail"]


async def problems(loop: RunningLoop) -> list[dict[str, Any]]:
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    return model["problems"]  # type: ignore[no-any-return]
