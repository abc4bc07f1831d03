"""Describes the loop for programs of others: names, logins, and what stands in its addresses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from ...api.openapi import extend_openapi
from ...api.operation import Endpoint
from ..access.auth import COOKIE
from ..access.rights import RIGHTS, Right, Role
from ..loop import Loop
from .examples import EXAMPLES

LOGINS: dict[str, Any] = {
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session that `POST /api/login` begins.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token made by `POST /api/tokens`, or the session that `POST /api/token` begins.",
    },
}

PLACES = {
    "organization": ("Name of an organization.", "zauberzeug"),
    "project": ("Name of a project of the organization.", "demo"),
    "image_id": ("Id of an image.", "0b5b6a1e-54e5-4a5e-9a37-8d2f5d5c1f0e"),
    "annotation_id": ("Id of an annotation.", "5c0e2d86-6f0a-4d7e-8a69-4a1c7b1f3b52"),
    "category_id": ("Id of a category.", "b85bbc35-0363-3beb-08e4-e0affb95b2bc"),
    "model_id": ("Id of a model.", "00000000-0000-0000-0000-000000000011"),
    "model": ("Version or id of a model.", "1.3"),
    "model_format": ("Format of a model's files, such as `onnx`.", "onnx"),
    "training_number": ("Number of a training.", 1),
    "node_id": ("The `id` with which a node is connected.", "85ef1a58-308d-4c80-8931-43d1f752f4f2"),
    "tool_id": ("The `id` with which an annotation tool is connected.", "00000000-1111-2222-3333-555555555555"),
    "detector_id": ("The `uuid` of a detector.", "85ef1a58-308d-4c80-8931-43d1f752f4f9"),
    "user": ("Name of a user.", "anna@zauberzeug"),
    "token_id": ("Id of a token, which is not what opens.", "7d0a4bb1-63c7-4a0c-a4b4-2f0f6b9b8f0c"),
}
"""What stands for something in the addresses: its meaning, and an example."""

QUERIES = {
    "comment": "A text to the model, for people.",
    "state": "Only images in one of these states.",
    "limit": "So many at most.",
    **{
        f"{moment}_{side}": f"Only images that were {moment} {text} this moment."
        for moment in ("received", "created", "changed")
        for side, text in (("since", "at or after"), ("until", "before"))
    },
}
"""What parameters mean that do not say so themselves."""


def operation_id(route: APIRoute) -> str:
    """The name of an operation in clients that programs generate: `images_receive`, by file and function."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"


def describe_loop(app: FastAPI, loop: Loop, endpoints: Iterable[Endpoint]) -> None:
    """Add to the OpenAPI document of the application what its endpoints have in common."""
    rows = [row for row in endpoints if row.options.get("include_in_schema", True)]

    def extend(document: dict[str, Any]) -> None:
        document.setdefault("components", {})["securitySchemes"] = LOGINS
        for row in rows:
            operation = document["paths"][row.path.replace(":path}", "}")][row.method.lower()]
            right = _right_of(loop, row)
            operation["security"] = _security(right, loop)
            if right is not None:
                need = f"Needs the right to {right.value}."
                text = operation.get("description", "").removesuffix(need).rstrip()
                operation["description"] = f"{text}\n\n{need}"
            for parameter in operation.get("parameters", []):
                _describe(parameter)
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None and operation["operationId"] in EXAMPLES:
                body["example"] = EXAMPLES[operation["operationId"]]
        _share_definitions(document)

    extend_openapi(app, extend)


def _describe(parameter: dict[str, Any]) -> None:
    name = parameter["name"]
    if parameter["in"] == "path" and name in PLACES:
        meaning, example = PLACES[name]
        parameter.setdefault("description", meaning)
        parameter.setdefault("example", example)
    elif name in QUERIES:
        parameter.setdefault("description", QUERIES[name])


def _share_definitions(document: dict[str, Any]) -> None:
    """Move the definitions of bodies that we read ourselves to where those of all others are."""
    schemas = document["components"]["schemas"]

    def move(value: Any) -> Any:
        if isinstance(value, list):
            return [move(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        for name, schema in value.get("$defs", {}).items():
            schemas.setdefault(name, move(schema))
        return {
            key: entry.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else move(entry)
            for key, entry in value.items()
            if key != "$defs"
        }

    document["paths"] = move(document["paths"])


def _right_of(loop: Loop, row: Endpoint) -> Right | None:
    rights = [loop.auth.right_of(entry.dependency) for entry in row.access]
    return next((right for right in rights if right is not None), None)


def _security(right: Right | None, loop: Loop) -> list[dict[str, list[str]]]:
    """Which logins will do; an empty one stands for none."""
    if right is None or loop.settings.open:
        return []
    logins: list[dict[str, list[str]]] = [{name: []} for name in LOGINS]
    is_free = right in RIGHTS[Role.NOBODY] and not loop.settings.require_node_token
    return [*logins, {}] if is_free else logins
