"""What an OpenAPI document says about all operations alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}

ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request cannot be served; the error says why and what to do.", "content": _ERROR},
    "5XX": {"description": "Not now, or not here; the error says why.", "content": _ERROR},
}

ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "description": "Every error has this shape.",
    "type": "object",
    "required": ["detail", "code"],
    "properties": {
        "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
        "code": {"type": "string", "description": "The name of the error, for programs."},
        "conflicts": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Only of the code `outdated`: things by `kind` and `id`, versions `given` and `present`.",
        },
    },
    "examples": [{"detail": "there is no project zauberzeug/demo", "code": "not_found"}],
}


NOT_READY: dict[str, Any] = {
    "description": "Not ready; `missing` says what is missing, and why.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["status", "missing"],
                "properties": {
                    "status": {"const": "not ready"},
                    "missing": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            }
        }
    },
}


def answers_with(description: str, content: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The part of an operation's entry that says what it answers with: schemas by content type."""
    kinds = {kind: {"schema": schema} for kind, schema in content.items()}
    return {"responses": {"200": {"description": description, "content": kinds}}}


def extend_openapi(app: FastAPI, extend: Callable[[dict[str, Any]], None]) -> None:
    """Let this function add to the document whenever it is asked for; it must be able to do so more than once."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        extend(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def schema_of(kind: Any, document: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; what it refers to is added to the document."""
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    document.setdefault("components", {}).setdefault("schemas", {}).update(schema.pop("$defs", {}))
    return schema


def add_error_schema(document: dict[str, Any]) -> None:
    document.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR_SCHEMA
