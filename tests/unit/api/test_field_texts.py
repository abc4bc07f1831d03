"""What people read when a field is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from learning_loop_node.api.field_texts import field_text


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("it should be even")
    return number


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: str = Field(default="long enough", min_length=10)
    count: Annotated[int, AfterValidator(_even)] = 0
    names: list[str] = []


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        pytest.param(_Shape, {"password": "short"}, "password must have at least 10 characters", id="too short"),
        pytest.param(_Shape, {"count": "many"}, "count must be a valid integer", id="wrong type"),
        pytest.param(_Shape, {"names": ["a", 1]}, "names.1 must be a valid string", id="in a list"),
        pytest.param(_Shape, {"other": 1}, "other is not known here", id="unknown"),
        pytest.param(_Shape, {"count": 3}, "count: it should be even", id="a check of our own"),
        pytest.param(int, "many", "it must be a valid integer", id="without a place"),
    ],
)
def test_texts_name_the_field_and_what_it_must_be(kind: Any, given: Any, text: str):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(given)
    assert field_text(caught.value.errors()[0]).startswith(text)


def test_a_field_that_is_missing():
    assert (
        field_text({"loc": ("query", "limit"), "type": "missing", "msg": "Field required"}) == "query.limit is missing"
    )
