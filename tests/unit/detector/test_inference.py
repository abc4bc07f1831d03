from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from learning_loop_node.data_classes import BoxDetection, ImageMetadata, ImagesMetadata
from learning_loop_node.detector.active_model import Loaded
from learning_loop_node.detector.inference import Inference, deadline_in
from learning_loop_node.errors import (
    BusyError,
    DeadlineError,
    DetectionFailedError,
    InvalidImageError,
    NodeError,
    NodeNeedsRestartError,
    NoModelError,
    TooLargeError,
    UnavailableError,
)
from learning_loop_node.images import encode_jpeg
from learning_loop_node.settings import DetectorSettings
from tests.builders import make_box, make_model_information
from tests.clock import ManualClock


def picture(height: int = 8, width: int = 8, value: int = 0) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


class Recorder:
    """A logic that notes how it was called. An image whose first value is in `bad` raises; `gate` holds calls back."""

    max_batch_size = 4

    def __init__(self, bad: Callable[[], Exception] | None = None, gate: threading.Event | None = None) -> None:
        self.calls: list[int] = []
        self.threads: set[str] = set()
        self.entered = threading.Event()
        self._bad = bad
        self._gate = gate

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        self._note(1)
        return self._answer(image)

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        self._note(len(images))
        return ImagesMetadata(items=[self._answer(image) for image in images])

    def _note(self, count: int) -> None:
        self.calls.append(count)
        self.threads.add(threading.current_thread().name)
        self.entered.set()
        if self._gate:
            self._gate.wait()

    def _answer(self, image: np.ndarray) -> ImageMetadata:
        if self._bad and image.flat[0] == 255:
            raise self._bad()
        return ImageMetadata(box_detections=[make_box(width=int(image.shape[1]), height=int(image.shape[0]))])


@asynccontextmanager
async def running(logic: object, *, batch: int = 1, **settings: float) -> AsyncIterator[Inference]:
    model = Loaded(logic, make_model_information(), batch)
    inference = Inference(DetectorSettings(**settings), require=lambda: model)  # type: ignore[arg-type]
    inference.open()
    try:
        yield inference
    finally:
        await inference.aclose()


async def until_entered(logic: Recorder) -> None:
    assert await asyncio.to_thread(logic.entered.wait, 10)


async def test_no_images_give_no_results():
    async with running(Recorder()) as inference:
        assert (await inference.detect([])).items == []


@pytest.mark.parametrize(
    "image", [pytest.param(picture(), id="array"), pytest.param(encode_jpeg(picture()), id="jpeg")]
)
async def test_one_image_is_evaluated_in_the_inference_thread(image):
    logic = Recorder()
    async with running(logic) as inference:
        detected = await inference.detect([image])
    assert detected.items[0].box_detections[0].width == 8
    assert logic.calls == [1]
    assert logic.threads == {"inference-2"}
    assert inference.counts.images == 1
    assert inference.pending == 0


async def test_an_explicit_batch_stays_one_call_beyond_the_batch_size():
    logic = Recorder()
    async with running(logic, batch=2) as inference:
        detected = await inference.detect(
            [picture(4, 4), picture(8, 6), encode_jpeg(picture(5, 7))], explicit_batch=True
        )
    assert [item.box_detections[0].height for item in detected.items] == [4, 8, 5]
    assert logic.calls == [3]


async def test_images_that_waited_go_together_if_their_shapes_are_equal():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    async with running(logic, batch=4) as inference:
        first = asyncio.ensure_future(inference.detect([picture()]))
        await until_entered(logic)
        waiting = [asyncio.ensure_future(inference.detect([picture(8, width)])) for width in (8, 8, 6, 8)]
        await asyncio.sleep(0)
        gate.set()
        results = await asyncio.gather(first, *waiting)
    assert [result.items[0].box_detections[0].width for result in results] == [8, 8, 8, 6, 8]
    assert logic.calls == [1, 3, 1]


async def test_a_bad_image_costs_only_its_own_request():
    gate = threading.Event()
    logic = Recorder(bad=lambda: ValueError("this one is odd"), gate=gate)
    async with running(logic, batch=4) as inference:
        first = asyncio.ensure_future(inference.detect([picture()]))
        await until_entered(logic)
        waiting = [asyncio.ensure_future(inference.detect([picture(value=value)])) for value in (1, 255, 2)]
        await asyncio.sleep(0)
        gate.set()
        results = await asyncio.gather(first, *waiting, return_exceptions=True)
    assert [isinstance(result, DetectionFailedError) for result in results] == [False, False, True, False]
    assert "this one is odd" in str(results[2])


@pytest.mark.parametrize(
    ("result", "text"),
    [
        pytest.param(None, "must return ImageMetadata", id="nothing"),
        pytest.param(ImageMetadata(box_detections=[make_box(confidence=float("nan"))]), "confidence", id="NaN"),
        pytest.param(ImageMetadata(box_detections=[make_box(width=-1)]), "negative size", id="negative size"),
        pytest.param(ImageMetadata(box_detections=[make_box(x=float("inf"))]), "not finite", id="infinite"),
    ],
)
async def test_results_that_make_no_sense_are_a_named_error(result, text):
    class Odd:
        def evaluate(self, _image: np.ndarray) -> ImageMetadata:
            return result  # type: ignore[no-any-return]  # what a logic returns is up to its author

    async with running(Odd()) as inference:
        with pytest.raises(DetectionFailedError, match=text):
            await inference.detect([picture()])


async def test_boxes_outside_the_image_are_returned_and_counted():
    box = BoxDetection(category_name="a", x=-3, y=0, width=30, height=5, model_name="1", confidence=0.5)

    class Wide:
        def evaluate(self, _image: np.ndarray) -> ImageMetadata:
            return ImageMetadata(box_detections=[box])

    async with running(Wide()) as inference:
        detected = await inference.detect([picture()])
    assert detected.items[0].box_detections == [box]
    assert inference.counts.outside == 1


async def test_a_logic_without_batches_gets_one_image_after_the_other():
    class Single:
        def evaluate(self, image: np.ndarray) -> ImageMetadata:
            return ImageMetadata(tags=[str(image.shape[0])])

        def batch_evaluate(self, _images: list[np.ndarray]) -> ImagesMetadata:
            raise NotImplementedError

    async with running(Single()) as inference:
        detected = await inference.detect([picture(3), picture(4)], explicit_batch=True)
    assert [item.tags for item in detected.items] == [["3"], ["4"]]


async def test_a_batch_of_the_wrong_length_is_a_named_error():
    class Short:
        def evaluate(self, _image: np.ndarray) -> ImageMetadata:
            return ImageMetadata()

        def batch_evaluate(self, _images: list[np.ndarray]) -> ImagesMetadata:
            return ImagesMetadata()

    async with running(Short()) as inference:
        with pytest.raises(DetectionFailedError, match="2 items, not 0 items"):
            await inference.detect([picture(), picture()], explicit_batch=True)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        pytest.param(b"", InvalidImageError, id="empty"),
        pytest.param(b"no image at all", InvalidImageError, id="text"),
        pytest.param(encode_jpeg(picture(64, 64))[:300], InvalidImageError, id="truncated"),
        pytest.param(encode_jpeg(picture(64, 64)), TooLargeError, id="too many pixels"),
    ],
)
async def test_images_that_cannot_be_used_never_reach_the_logic(image, error):
    logic = Recorder()
    async with running(logic, max_pixels=1000) as inference:
        with pytest.raises(NodeError) as caught:
            await inference.detect([image])
    assert isinstance(caught.value, error | InvalidImageError)
    assert logic.calls == []
    assert (inference.pending, inference.counts.failed) == (0, 1)


async def test_a_full_queue_refuses_at_once():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    async with running(logic, queue_size=2) as inference:
        waiting = [asyncio.ensure_future(inference.detect([picture()])) for _ in range(2)]
        await until_entered(logic)
        with pytest.raises(BusyError):
            await inference.detect([picture()])
        gate.set()
        assert len(await asyncio.gather(*waiting)) == 2
        assert inference.counts.refused == 1


async def test_what_waits_too_long_is_answered_and_never_evaluated():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    async with running(logic) as inference:
        first = asyncio.ensure_future(inference.detect([picture()]))
        await until_entered(logic)
        with deadline_in(0.001), pytest.raises(DeadlineError, match=r"timeout_s=0\.001"):
            await inference.detect([picture()])
        gate.set()
        await first
        await inference.detect([picture()])
    assert logic.calls == [1, 1]
    assert inference.counts.expired == 1


async def test_without_a_model_the_logic_is_never_called():
    def refuse() -> Loaded:
        raise NoModelError("detector not yet initialized")

    inference = Inference(DetectorSettings(), require=refuse)
    inference.open()
    with pytest.raises(NoModelError, match="detector not yet initialized"):
        await inference.detect([picture()])
    await inference.aclose()


async def test_functions_run_between_two_detections():
    logic = Recorder()
    threads: list[str] = []
    async with running(logic) as inference:
        await inference.run_exclusively(lambda: threads.append(threading.current_thread().name))
        with pytest.raises(ZeroDivisionError):
            await inference.run_exclusively(lambda: [][1 // 0])
        await inference.detect([picture()])
    assert set(threads) == logic.threads


async def test_a_logic_may_ask_for_a_new_process():
    class Broken:
        def evaluate(self, _image: np.ndarray) -> ImageMetadata:
            raise NodeNeedsRestartError("the card is gone")

    asked = asyncio.Event()
    inference = Inference(
        DetectorSettings(), require=lambda: Loaded(Broken(), make_model_information()), on_restart=asked.set
    )
    inference.open()
    with pytest.raises(UnavailableError, match="the card is gone"):
        await inference.detect([picture()])
    await asked.wait()
    await inference.aclose()


@pytest.mark.parametrize(
    "image", ["door.jpg", None, [[0, 0], [0, 0]], bytearray(b"jpeg")], ids=lambda image: str(type(image))
)
async def test_what_is_no_image_is_named_and_does_not_wait(image):
    async with running(Recorder(), batch=4) as inference:
        with pytest.raises(InvalidImageError, match="an image is a NumPy array or bytes"):
            await inference.detect([image])
        assert inference.pending == 0
        assert len((await inference.detect([picture()])).items) == 1


async def test_a_logic_that_fails_again_and_again_does_not_fill_the_log(caplog):
    async with running(Recorder(bad=lambda: ValueError("no card"))) as inference:
        for value in (255, 0) * 20:
            with contextlib.suppress(DetectionFailedError):
                await inference.detect([picture(value=value)])
        assert inference.counts.failed == 20
    assert [record.message for record in caplog.records] == [
        "the detector logic failed; the same again is logged once an hour"
    ]


async def test_a_logic_that_hangs_is_noticed_and_its_clients_are_answered():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    clock = ManualClock()
    inference = Inference(
        DetectorSettings(inference_hang_s=5), require=lambda: Loaded(logic, make_model_information()), clock=clock
    )
    inference.open()
    waiting = asyncio.ensure_future(inference.detect([picture()]))
    await until_entered(logic)
    with pytest.raises(RuntimeError, match="INFERENCE_HANG_S"):
        await inference.run()
    assert inference.is_hanging
    with pytest.raises(DetectionFailedError, match="INFERENCE_HANG_S"):
        await waiting
    assert inference.counts.failed == 1
    gate.set()
    await inference.aclose()


async def test_closing_answers_what_waits():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    inference = Inference(DetectorSettings(), require=lambda: Loaded(logic, make_model_information()))
    inference.open()
    waiting = asyncio.ensure_future(inference.detect([picture()]))
    await until_entered(logic)
    closing = asyncio.ensure_future(inference.aclose())
    with pytest.raises(UnavailableError, match="stopping"):
        await waiting
    gate.set()
    await closing
    with pytest.raises(UnavailableError, match="not running"):
        await inference.detect([picture()])


async def test_a_batch_with_too_many_pixels_is_refused_before_it_is_decoded():
    logic = Recorder()
    async with running(logic, max_pixels=64) as inference:
        await inference.detect([encode_jpeg(picture())] * 8, explicit_batch=True)
        with pytest.raises(TooLargeError, match="MAX_IMAGE_PIXELS"):
            await inference.detect([encode_jpeg(picture())] * 9, explicit_batch=True)
    assert logic.calls == [8]
