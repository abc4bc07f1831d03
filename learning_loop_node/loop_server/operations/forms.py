"""How the generated documentation shows a form with files, whose parts we read ourselves."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

_FILES: dict[str, Any] = {"type": "array", "items": {"type": "string", "format": "binary"}}


def form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def json_body(shape: Any) -> dict[str, Any]:
    """A JSON body of this type, for functions that read it themselves."""
    schema = TypeAdapter(shape).json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


FILES_FORM = form({"files": _FILES}, ["files"])
MODEL_FORM = form(
    {"files": _FILES, "categories": {"type": "string", "description": "JSON list, where there is no model.json."}},
    ["files"],
)
