"""Batch sizes and limits, on a GPU whose memory is counted."""

from __future__ import annotations

import gc
import inspect
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from learning_loop_node.errors import InsufficientMemoryError, MissingExtraError
from tests.test_old_import_paths import as_text

from .gpu import GB, Gpu, Tensor

MODULE = "learning_loop_node.trainer.cuda"
SIGNATURES = {
    "measure_batch_size": "build_step *max_batch_size *sample_count *probe *minimum *steps_per_trial",
    "probe_batch_size": "run_batch *probe *limit",
    "measured_fits": "run_batch *probe *on_out_of_memory",
    "reserve_margin": "*probe",
    "usable_memory_bytes": "",
    "add_vram_limit_argument": "parser",
    "limit_cuda_memory": "vram_limit_gb",
    "free_cuda_memory": "",
    "ProbeStep.train_step": "self batch_size",
    "ProbeStep.val_step": "self batch_size",
    "ProbeStep.on_out_of_memory": "self",
    "ProbeStep.release": "self",
}
Load = Callable[..., tuple[Any, Gpu]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Import the module anew, with this GPU in place of PyTorch."""
    gc.freeze()  # each try looks for garbage, which takes long among all that tests have loaded

    def load(**properties: Any) -> tuple[ModuleType, Gpu]:
        gpu = Gpu(**properties)
        monkeypatch.setitem(sys.modules, "torch", gpu.as_torch())
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
        return import_module(MODULE), gpu

    yield load
    gc.unfreeze()
    sys.modules.pop(MODULE, None)


def test_without_pytorch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(MissingExtraError, match="pip install torch") as caught:
        import_module(MODULE)
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(("path", "expected"), SIGNATURES.items())
def test_parameters_are_those_of_0_27(load: Load, path: str, expected: str):
    found = load()[0]
    for part in path.split("."):
        found = getattr(found, part)
    assert " ".join(map(as_text, inspect.signature(found).parameters.values())) == expected


# The budget


@pytest.mark.parametrize(
    ("properties", "limit_gb", "expected_gb"),
    [
        pytest.param({}, 0, 10, id="the whole card"),
        pytest.param({}, -1, 10, id="no limit"),
        pytest.param({}, float("nan"), 10, id="not a number"),
        pytest.param({}, 4, 4, id="a limit"),
        pytest.param({}, 40, 10, id="more than there is"),
        pytest.param({"used_by_others_bytes": 7 * GB}, 0, 3, id="what others leave"),
        pytest.param({"used_by_others_bytes": 7 * GB}, 2, 2, id="a limit below what others leave"),
        pytest.param({"used_by_others_bytes": 7 * GB}, 4, 3, id="a limit above what others leave"),
    ],
)
def test_what_may_be_used(load: Load, properties: dict[str, Any], limit_gb: float, expected_gb: float):
    cuda, gpu = load(**properties)
    cuda.limit_cuda_memory(limit_gb)
    assert cuda.usable_memory_bytes() == expected_gb * GB
    assert gpu.fraction == (limit_gb / 10 if 0 < limit_gb < 10 else 1.0)


def test_what_we_have_reserved_ourselves_may_be_used(load: Load):
    cuda, gpu = load()
    kept = gpu.tensor(6 * GB)
    assert cuda.usable_memory_bytes() == 10 * GB
    del kept


def test_a_limit_without_a_gpu_is_none(load: Load):
    cuda, gpu = load(is_there=False)
    cuda.limit_cuda_memory(4)
    assert gpu.fraction == 1.0


def test_the_flag(load: Load):
    parser = ArgumentParser()
    load()[0].add_vram_limit_argument(parser)
    assert parser.parse_args([]).vram_limit_gb == 0
    assert parser.parse_args(["--vram-limit-gb", "3.5"]).vram_limit_gb == 3.5


def test_the_margin_is_a_twentieth_of_the_budget_while_it_is_kept(load: Load):
    cuda, gpu = load()
    margin = cuda.reserve_margin(probe="x")
    assert gpu.allocated_bytes == int(0.05 * 10 * GB)
    del margin
    assert gpu.allocated_bytes == 0


def test_a_card_that_is_full(load: Load):
    cuda, gpu = load()
    kept = gpu.tensor(10 * GB)
    with pytest.raises(InsufficientMemoryError, match="x: not even 512 MB of GPU memory are free; end what else"):
        cuda.reserve_margin(probe="x")
    del kept


# The search


def make_step(cuda: Any, gpu: Gpu, model_gb: float = 1, image_gb: float = 0.25, optimizer_gb: float = 1) -> Any:
    """A training whose optimizer takes memory from its second step on."""

    class Step(cuda.ProbeStep):  # type: ignore[misc]
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.kept: list[Tensor] = [gpu.tensor(int(model_gb * GB))]
            self.step_count = 0

        def train_step(self, batch_size: int) -> str | None:
            self.calls.append(f"train {batch_size}")
            self.step_count += 1
            if self.step_count == 2:
                self.kept.append(gpu.tensor(int(optimizer_gb * GB)))
            batch = gpu.tensor(int(image_gb * batch_size * GB))
            return "half precision" if batch else None

        def val_step(self, batch_size: int) -> str | None:
            self.calls.append(f"val {batch_size}")
            return None

        def on_out_of_memory(self) -> None:
            self.calls.append("out of memory")

        def release(self) -> None:
            self.calls.append("release")
            self.kept.clear()

    return Step


@pytest.mark.parametrize(
    ("properties", "options", "expected"),
    [
        pytest.param({}, {}, 16, id="a power of two"),
        pytest.param({}, {"max_batch_size": 20}, 20, id="the size that is wanted"),
        pytest.param({}, {"max_batch_size": 24}, 24, id="the last that fits beside the margin"),
        pytest.param({}, {"max_batch_size": 31}, 16, id="the size that is wanted is too large"),
        pytest.param({}, {"max_batch_size": 5000, "sample_count": 64}, 8, id="few images"),
        pytest.param({}, {"sample_count": 100}, 8, id="few images and no size wanted"),
        pytest.param({}, {"sample_count": 1, "minimum": 4}, 4, id="a minimum"),
        pytest.param({"used_by_others_bytes": 5 * GB}, {}, 8, id="others use the card"),
        pytest.param({"is_there": False}, {}, 8, id="no GPU"),
        pytest.param({"is_there": False}, {"max_batch_size": 3}, 2, id="no GPU and a size that is wanted"),
    ],
)
def test_the_largest_batch(load: Load, properties: dict[str, Any], options: dict[str, Any], expected: int):
    cuda, gpu = load(**properties)
    assert cuda.measure_batch_size(make_step(cuda, gpu), **options) == expected
    assert gpu.allocated_bytes == gpu.reserved_bytes == 0


def test_a_limit_makes_batches_smaller(load: Load):
    cuda, gpu = load()
    cuda.limit_cuda_memory(4)
    assert cuda.measure_batch_size(make_step(cuda, gpu)) == 4


def test_the_order_of_calls(load: Load, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    cuda, gpu = load()
    steps: list[Any] = []

    def build() -> Any:
        steps.append(make_step(cuda, gpu, image_gb=3)())
        return steps[-1]

    assert cuda.measure_batch_size(build, probe="small nets", steps_per_trial=2) == 2
    assert len(steps) == 1
    assert steps[0].calls == [
        *("train 1", "train 1", "val 1", "train 2", "train 2", "val 2", "train 4", "out of memory", "release")
    ]
    assert "small nets: 2 fits, 8.50 GB at most; half precision" in caplog.text
    assert "small nets: 4 does not fit" in caplog.text


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        pytest.param({"image_gb": 9}, "a batch of 1; use smaller images", id="one image"),
        pytest.param({"model_gb": 11}, "the model alone does not fit into the GPU's memory", id="the model"),
    ],
)
def test_what_does_not_fit_at_all(load: Load, needs: dict[str, float], text: str):
    cuda, gpu = load()
    with pytest.raises(InsufficientMemoryError, match=text):
        cuda.measure_batch_size(make_step(cuda, gpu, **needs))


@pytest.mark.parametrize("error", [ValueError("boo"), RuntimeError("CUDA error: device-side assert triggered")])
def test_other_errors_are_raised_and_all_is_given_back(load: Load, error: Exception):
    cuda, gpu = load()

    def fail(size: int) -> None:
        kept = gpu.tensor(size)
        if size == 4:
            raise error
        del kept

    with pytest.raises(type(error), match=str(error)):
        cuda.probe_batch_size(fail)
    error.__traceback__ = None
    assert gpu.allocated_bytes == 0


@pytest.mark.parametrize(("limit", "expected"), [(0, 32), (100, 32), (20, 16), (5000, 32)])
def test_the_largest_batch_of_any_function(load: Load, limit: int, expected: int):
    cuda, gpu = load()

    def run(size: int) -> None:
        assert gpu.tensor(int(0.25 * size * GB))

    assert cuda.probe_batch_size(run, limit=limit) == expected


def test_the_memory_of_a_failed_try_is_free_when_it_is_reported(load: Load):
    cuda, gpu = load()
    seen: list[int] = []

    def run(size: int) -> None:
        half = gpu.tensor(size * GB)
        assert half, gpu.tensor(size * GB)
        gpu.tensor(size * GB)

    fits = cuda.measured_fits(run, probe="x", on_out_of_memory=lambda: seen.append(gpu.allocated_bytes))
    assert [fits(2), fits(8), fits(5)] == [True, False, True]
    assert seen == [0]
