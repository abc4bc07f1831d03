from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from learning_loop_node.data_classes import ImageMetadata, ModelInformation
from learning_loop_node.detector.active_model import BuiltByFactory, OneLogic
from learning_loop_node.errors import ModelRefusedError, NodeNeedsRestartError, NoModelError
from tests.builders import make_model_information


async def run_here(function: Callable[[], None]) -> None:
    function()


class Logic:
    def evaluate(self, _image: np.ndarray) -> ImageMetadata:
        return ImageMetadata()


class Factory:
    """Refuses the versions it is told to; notes what each build saw."""

    model_format = "mocked"

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.seen: list[Any] = []
        self.watch: Callable[[], Any] = lambda: None

    async def build(self, model_info: ModelInformation) -> Any:
        self.seen.append(self.watch())
        if model_info.version in self.refused:
            raise OSError("weights are missing")
        return Logic()


class Old:
    """A logic in the style of 0.18."""

    model_format = "mocked"
    model_info: ModelInformation | None = None

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.loaded: list[str] = []
        self.watch: Callable[[], Any] = lambda: None
        self.seen: list[Any] = []

    def init(self) -> None:
        assert self.model_info is not None
        self.seen.append(self.watch())
        if self.model_info.version in self.refused:
            raise OSError("weights are missing")
        self.loaded.append(self.model_info.version)

    def evaluate(self, _image: np.ndarray) -> ImageMetadata:
        return ImageMetadata()


def information(version: str) -> ModelInformation:
    return make_model_information(version=version)


def test_without_a_model_the_reason_is_told():
    with pytest.raises(NoModelError, match="detector not yet initialized"):
        BuiltByFactory(Factory(), run_exclusively=run_here).require()


async def test_a_new_model_is_built_while_the_old_one_answers():
    factory = Factory()
    model = BuiltByFactory(factory, run_exclusively=run_here)
    await model.replace(information("1.0"))
    factory.watch = lambda: model.require().model_info.version
    await model.replace(information("1.1"))
    assert factory.seen == [None, "1.0"]
    assert model.require().model_info.version == "1.1"
    assert model.swap_count == 2


async def test_a_model_that_cannot_be_built_leaves_the_old_one_in_service():
    model = BuiltByFactory(Factory("1.1"), run_exclusively=run_here)
    await model.replace(information("1.0"))
    with pytest.raises(ModelRefusedError, match=r"model 1\.1 cannot be built: weights are missing"):
        await model.replace(information("1.1"))
    assert model.require().model_info.version == "1.0"


async def test_a_logic_that_asks_for_a_new_process_gets_it():
    class Worn(Old):
        def init(self) -> None:
            raise NodeNeedsRestartError("the card is gone")

    asked: list[str] = []
    model = OneLogic(Worn(), run_exclusively=run_here, on_restart=lambda: asked.append("restart"))
    with pytest.raises(ModelRefusedError, match=r"model 1\.0 needs a new process: the card is gone"):
        await model.replace(information("1.0"))
    assert asked == ["restart"]


async def test_exclusive_build_refuses_meanwhile_and_keeps_no_reference():
    factory = Factory()
    model = BuiltByFactory(factory, run_exclusively=run_here, exclusive=True)
    await model.replace(information("1.0"))
    former = weakref.ref(model.require().logic)

    def watch() -> tuple[str, bool]:
        gc.collect()
        with pytest.raises(NoModelError) as caught:
            model.require()
        return str(caught.value), former() is None

    factory.watch = watch
    await model.replace(information("1.1"))
    assert factory.seen[1] == ("updating model to version 1.1", True)
    assert model.require().model_info.version == "1.1"


async def test_exclusive_build_returns_to_the_old_model_after_a_failure():
    model = BuiltByFactory(Factory("1.1"), run_exclusively=run_here, exclusive=True)
    await model.replace(information("1.0"))
    with pytest.raises(ModelRefusedError):
        await model.replace(information("1.1"))
    assert model.require().model_info.version == "1.0"


async def test_a_build_that_returns_nothing_is_refused():
    class Empty(Factory):
        async def build(self, model_info: ModelInformation) -> Any:
            return None

    with pytest.raises(ModelRefusedError, match="must return a DetectorLogic, not None"):
        await BuiltByFactory(Empty(), run_exclusively=run_here).replace(information("1.0"))


@pytest.mark.parametrize(
    ("factory_size", "logic_size", "expected"),
    [(None, None, 1), (None, 4, 4), (8, 4, 8)],
    ids=["none", "logic", "factory"],
)
async def test_batch_size_comes_from_the_factory_or_from_the_logic(factory_size, logic_size, expected):
    class Sized(Factory):
        max_batch_size = factory_size

        async def build(self, model_info: ModelInformation) -> Any:
            logic = Logic()
            if logic_size:
                logic.max_batch_size = logic_size  # type: ignore[attr-defined]
            return logic

    model = BuiltByFactory(Sized(), run_exclusively=run_here)
    await model.replace(information("1.0"))
    assert model.require().max_batch_size == expected


async def test_one_logic_is_initialised_again_for_each_model():
    logic = Old()
    model = OneLogic(logic, run_exclusively=run_here)
    await model.replace(information("1.0"))
    await model.replace(information("1.1"))
    assert logic.loaded == ["1.0", "1.1"]
    assert model.require().logic is logic


async def test_one_logic_returns_to_the_previous_model_after_a_failure():
    logic = Old("1.1")
    model = OneLogic(logic, run_exclusively=run_here)
    await model.replace(information("1.0"))
    with pytest.raises(ModelRefusedError):
        await model.replace(information("1.1"))
    assert logic.loaded == ["1.0", "1.0"]
    assert model.require().model_info.version == "1.0"
    assert logic.model_info == information("1.0")


async def test_nobody_is_refused_while_one_logic_returns_to_the_previous_model():
    logic = Old("2.0")
    model = OneLogic(logic, run_exclusively=run_here)
    await model.replace(information("1.0"))
    logic.watch = model.require
    with pytest.raises(ModelRefusedError):
        await model.replace(information("2.0"))
    assert [loaded.model_info.version for loaded in logic.seen[1:]] == ["1.0", "1.0"]


async def test_one_logic_without_any_way_back_is_not_offered():
    logic = Old("2.0")
    model = OneLogic(logic, run_exclusively=run_here)
    await model.replace(information("1.0"))
    logic.refused = ("1.0", "2.0")
    with pytest.raises(ModelRefusedError):
        await model.replace(information("2.0"))
    assert model.loaded is None


async def test_one_logic_without_any_good_model_is_never_offered():
    model = OneLogic(Old("1.0"), run_exclusively=run_here)
    with pytest.raises(ModelRefusedError):
        await model.replace(information("1.0"))
    with pytest.raises(NoModelError):
        model.require()
