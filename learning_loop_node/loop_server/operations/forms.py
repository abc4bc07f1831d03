"""How the generated documentation shows a form with files, whose parts we read ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

_FILES: dict[str, Any] = {"type": "array", "items": {"type": "string", "format": "binary"}}


def form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def json_body(shape: Any) -> dict[str, Any]:
    """A JSON body of this type, for functions that read it themselves."""
    schema = TypeAdapter(shape).json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, parts: Mapping[str, Any]) -> Any:
    """The schema with its parts in place of references to them, which would lead nowhere within the document."""
    match schema:
        case {"$ref": str(reference), **others}:
            return _inlined(parts[reference.rpartition("/")[2]], parts) | others
        case dict():
            return {name: _inlined(value, parts) for name, value in schema.items()}
        case list():
            return [_inlined(entry, parts) for entry in schema]
        case _:
            return schema


FILES_FORM = form({"files": _FILES}, ["files"])
MODEL_FORM = form(
    {"files": _FILES, "categories": {"type": "string", "description": "JSON list, where there is no model.json."}},
    ["files"],
)
