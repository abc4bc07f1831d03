"""Pauses detections, and never for longer than it is held."""

from __future__ import annotations

import asyncio
import threading

import pytest

from learning_loop_node.detector.active_model import Loaded
from learning_loop_node.detector.detection_lock import DetectionLock
from learning_loop_node.detector.inference import Inference
from learning_loop_node.settings import DetectorSettings
from tests.builders import make_model_information
from tests.clock import ManualClock
from tests.unit.detector.test_inference import Recorder, picture, running


async def test_without_a_running_node_programs_still_wait_for_each_other():
    lock = DetectionLock(Inference(DetectorSettings(), require=lambda: Loaded(Recorder(), make_model_information())))
    async with lock:
        assert lock.locked()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lock.acquire(), 0.01)
    assert not lock.locked()


async def test_detections_wait_while_it_is_held():
    logic = Recorder()
    async with running(logic) as inference:
        lock = DetectionLock(inference)
        async with lock:
            detection = asyncio.ensure_future(inference.detect([picture()]))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(detection), 0.05)
            assert logic.calls == []
        assert len((await detection).items) == 1


async def test_what_runs_is_finished_first():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    async with running(logic) as inference:
        detection = asyncio.ensure_future(inference.detect([picture()]))
        await asyncio.to_thread(logic.entered.wait)
        waiting = asyncio.ensure_future(DetectionLock(inference).acquire())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.05)
        gate.set()
        await waiting
        assert detection.done()


async def test_who_gives_up_waiting_leaves_nothing_locked():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    async with running(logic) as inference:
        lock = DetectionLock(inference)
        detection = asyncio.ensure_future(inference.detect([picture()]))
        await asyncio.to_thread(logic.entered.wait)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lock.acquire(), 0.01)
        assert not lock.locked()
        gate.set()
        await detection
        assert len((await inference.detect([picture()])).items) == 1


async def test_a_node_that_stops_lets_go_who_waits():
    gate = threading.Event()
    logic = Recorder(gate=gate)
    async with running(logic) as inference:
        detection = asyncio.ensure_future(inference.detect([picture()]))
        await asyncio.to_thread(logic.entered.wait)
        waiting = asyncio.ensure_future(DetectionLock(inference).acquire())
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(inference.aclose())
        await waiting
        gate.set()
        await asyncio.gather(detection, closing, return_exceptions=True)


async def test_held_for_long_it_is_no_hanging_logic():
    clock = ManualClock()
    inference = Inference(
        DetectorSettings(inference_hang_s=5), require=lambda: Loaded(Recorder(), make_model_information()), clock=clock
    )
    inference.open()
    async with DetectionLock(inference):
        clock.advance(3600)
        assert not inference.is_hanging
    await inference.aclose()
