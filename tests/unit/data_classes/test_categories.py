"""Categories from the wire, and finding one of them."""

from __future__ import annotations

import pytest

from learning_loop_node.data_classes import Category
from learning_loop_node.data_classes.categories import category_by_index, category_by_name
from learning_loop_node.errors import InvalidDataError
from tests.builders import make_category, make_model_information

MODEL = make_model_information(categories=[make_category("face"), make_category("eye")])


def test_from_list():
    assert Category.from_list([]) == []
    assert Category.from_list([{"id": "1", "name": "face", "type": "box", "more": 1}]) == [
        Category(id="1", name="face", type="box")
    ]


def test_from_list_names_what_is_wrong():
    with pytest.raises(InvalidDataError, match=r"Category\.name is missing"):
        Category.from_list([{"id": "1"}])


def test_by_index_and_name():
    assert category_by_index(MODEL, 1).name == "eye"
    assert category_by_name(MODEL, "face") is MODEL.categories[0]


@pytest.mark.parametrize("index", [-1, 2])
def test_index_out_of_range(index):
    with pytest.raises(ValueError, match=rf"category index {index} is out of range: the model has 2 categories"):
        category_by_index(MODEL, index)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown category 'nose'; the model has: face, eye"):
        category_by_name(MODEL, "nose")
    with pytest.raises(ValueError, match="the model has: none"):
        category_by_name(make_model_information(categories=[]), "nose")
