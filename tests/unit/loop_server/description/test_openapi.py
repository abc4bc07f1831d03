"""The OpenAPI document of the loop, as a program sees it that makes a client from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from learning_loop_node.loop_server.app import create_app
from learning_loop_node.loop_server.description.examples import EXAMPLES
from learning_loop_node.settings import LoopServerSettings

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_document()


def test_it_is_valid_each_time_it_is_asked_for():
    app = create_app(LoopServerSettings(data_folder=Path("unused")))
    validate(app.openapi())
    again = app.openapi()
    validate(again)
    assert again == make_document()


def test_all_references_lead_somewhere(document: dict[str, Any]):
    for reference in references_in(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def test_operations_have_names_for_programs_and_texts_for_people(document: dict[str, Any]):
    tags = {tag["name"] for tag in document["tags"]}
    names = []
    for method, path, operation in operations_in(document):
        where = f"{method} {path}"
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]), where
        assert set(operation["tags"]) <= tags, where
        assert len(operation["tags"]) == 1, where
        assert operation["summary"], where
        assert operation["description"], where
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{where} {parameter['name']}"
        names.append(operation["operationId"])
    assert len(names) == len(set(names))


def test_every_error_has_one_shape(document: dict[str, Any]):
    for method, path, operation in operations_in(document):
        for status in ("4XX", "5XX"):
            content = operation["responses"][status]["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}, f"{method} {path}"
        assert "422" not in operation["responses"], f"{method} {path}"


def test_every_operation_says_which_login_will_do(document: dict[str, Any]):
    logins = set(document["components"]["securitySchemes"])
    said = {
        operation["operationId"]: {name for entry in operation["security"] for name in entry or {"none": []}}
        for _, _, operation in operations_in(document)
    }
    assert said["users_list"] == logins
    assert said["images_receive"] == logins | {"none"}
    assert said["login_log_in"] == set()
    assert all(names <= logins | {"none"} for names in said.values())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"require_node_token": True}, [{"cookie": []}, {"bearer": []}], id="closed"),
        pytest.param({"open": True}, [], id="open"),
    ],
)
def test_the_login_is_that_of_the_settings(settings: dict[str, Any], expected: list[Any]):
    operations = {
        operation["operationId"]: operation["security"] for _, _, operation in operations_in(make_document(**settings))
    }
    assert operations["images_receive"] == expected


def test_every_body_has_an_example_that_fits(document: dict[str, Any]):
    shown = set()
    for method, path, operation in operations_in(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        shown.add(operation["operationId"])
        assert "example" in body, f"{method} {path}: add one to examples.py"
        schema = body["schema"] | {"components": document["components"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(body["example"])]
        assert errors == [], f"{method} {path}"
    assert set(EXAMPLES) == shown, "an example of nothing"


GROWING = {
    "detections_receive",
    "detectors_report",
    "generator_generate",
    "novelty_set",
    "trainings_keep_log",
    "conversions_report",
}
"""What nodes and their tests send, also those of other versions: what is unknown in it is no reason to refuse it."""


def test_what_people_send_may_have_no_field_that_is_not_known(document: dict[str, Any]):
    lenient = set()
    for _, _, operation in operations_in(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            schema = body["schema"]
            [schema] = [entry for entry in schema.get("anyOf", [schema]) if entry.get("type") != "null"]
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            if schema.get("additionalProperties") is not False:
                lenient.add(operation["operationId"])
    assert lenient == GROWING


def make_document(**settings: Any) -> dict[str, Any]:
    return create_app(LoopServerSettings(data_folder=Path("unused"), **settings)).openapi()


def operations_in(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if key == "$ref":
                yield entry
            else:
                yield from references_in(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from references_in(entry)
