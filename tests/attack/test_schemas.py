"""Both servers keep to their OpenAPI documents, whatever is sent: no error of theirs, no hang, nothing changed.

The operations are those of the documents, so that whatever is added to a table of endpoints is tried, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.loop_server.app import create_app
from learning_loop_node.settings import DetectorSettings, LoopServerSettings
from tests.builders import jpeg, make_settings
from tests.loop import ORGANIZATION, PROJECT, running_loop
from tests.nodes import BoxesFactory, running_node

from .in_thread import in_thread

pytestmark = pytest.mark.timeout(1200)

Operation = APIOperation[Any, Any, Any, Any]

EXAMPLES, LONG_EXAMPLES = 8, 400
SLOWEST_S = 5.0
SLOW = {"POST /api/{organization}/projects/generator": 60.0}  # makes thousands of pictures when asked to
KEPT_ORGANIZATION, KEPT_PROJECT = "kept", "untouched"
RIGHT_NOT_NOW = {503, 507}
"""Errors of a server that are right: not now, no room. The documents name them, and they come with a reason."""

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass
class Server:
    """A running server. `names` are real values for parameters of paths; `kept` are requests with fixed answers."""

    url: str
    log_in: Callable[[], dict[str, str]]
    names: dict[str, str]
    kept: list[str]
    headers: dict[str, str] = field(default_factory=dict)

    def answers(self) -> list[tuple[int, bytes]]:
        """What the requests of `kept` are answered with, after another login if the last one was ended."""
        for _ in range(2):
            found = [requests.get(self.url + path, headers=self.headers, timeout=SLOWEST_S) for path in self.kept]
            if all(answer.status_code != 401 for answer in found):
                break
            self.headers = self.log_in()
        return [(answer.status_code, answer.content) for answer in found]


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """The operations of a document that come to an end; a stream of events does not."""
    results: Iterator[Any] = schemathesis.openapi.from_dict(document).get_all_operations()
    return [operation for operation in (result.ok() for result in results) if not _streams(document, operation)]


def _streams(document: dict[str, Any], operation: Operation) -> bool:
    answers = document["paths"][operation.path][operation.method.lower()]["responses"]
    return any("text/event-stream" in answer.get("content", {}) for answer in answers.values())


LOOP = operations_of(create_app(LoopServerSettings(data_folder=Path("never opened"))).openapi())
NODE = operations_of(DetectorNode("documented", BoxesFactory(), settings=make_settings(Path("never opened"))).openapi())


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("loop")

    @asynccontextmanager
    async def run() -> Any:
        async with running_loop(folder, max_request_bytes=1_000_000) as running:
            await running.create_project()
            await running.json("POST", f"/{KEPT_ORGANIZATION}/projects", json={"project_id": KEPT_PROJECT})
            stored = await running.post_images([jpeg(seed=number) for number in range(3)])
            model = await running.push_model(deploy=True)
            yield running, stored, model

    with in_thread(run) as (running, stored, model):
        login = {"username": running.username, "password": running.password}

        def log_in() -> dict[str, str]:
            answer = requests.post(f"{running.url}/api/token", data=login, timeout=SLOWEST_S)
            assert answer.status_code == 200, answer.text
            return {"Authorization": f"Bearer {answer.json()['access_token']}"}

        names = {
            "organization": ORGANIZATION,
            "project": PROJECT,
            "image_id": stored[0]["id"],
            "model_id": model["id"],
            "model_format": "mocked",
        }
        project = f"/api/{KEPT_ORGANIZATION}/projects/{KEPT_PROJECT}"
        kept = [project, f"{project}/data", f"{project}/models", "/api/status", "/readyz"]
        yield Server(running.url, log_in, names, kept)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("node")

    def run() -> AbstractAsyncContextManager[Any]:
        limits = DetectorSettings(max_pixels=20_000, max_request_bytes=1_000_000)
        return running_node(folder, settings=make_settings(folder, detector=limits))

    with in_thread(run) as running:
        yield Server(running.url, dict, {}, ["/readyz", "/docs"])


@pytest.mark.parametrize("operation", LOOP, ids=lambda operation: operation.label)
def test_operation_of_the_loop(operation: Operation, loop: Server, is_long: bool):
    attack(operation, loop, LONG_EXAMPLES if is_long else EXAMPLES)


@pytest.mark.parametrize("operation", NODE, ids=lambda operation: operation.label)
def test_operation_of_the_node(operation: Operation, node: Server, is_long: bool):
    attack(operation, node, LONG_EXAMPLES if is_long else EXAMPLES)


def attack(operation: Operation, server: Server, examples: int) -> None:
    """Call an operation with what fits its description and with what does not, at real and at unreal places."""
    before = server.answers()
    known = {name: value for name, value in server.names.items() if f"{{{name}}}" in operation.path}
    for mode in GenerationMode:
        places = [known, known, None] if known else [None]
        strategies = [operation.as_strategy(generation_mode=mode, path_parameters=place) for place in places]
        with suppress(Unsatisfiable):  # an operation without parameters has nothing that could be wrong
            call_with(st.one_of(strategies), server, examples, within_s=SLOW.get(operation.label, SLOWEST_S))
    assert server.answers() == before


def call_with(cases: st.SearchStrategy[Any], server: Server, examples: int, *, within_s: float) -> None:
    @seed(11)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def call(case: Any) -> None:
        answer = case.call(base_url=server.url, headers=server.headers, timeout=within_s)
        if answer.status_code not in RIGHT_NOT_NOW:
            case.validate_response(answer, checks=[not_a_server_error, *CHECKS])
        if answer.status_code >= 400 and answer.headers.get("content-type") == ["application/json"]:
            assert {"detail", "code"} <= set(answer.json())

    call()
