"""The wheel turns once, with few and easy images: all programs are real, only what is learnt is little."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")
pytest.importorskip("torch", reason="needs PyTorch (extra [torch])")

from learning_loop_node.demo.learning.plan import LearningPlan
from learning_loop_node.demo.learning.report import judge
from learning_loop_node.demo.learning.wheel import Audience, open_wheel

SMALL = {"resolution": 128, "learning_rate": 0.004}
PLAN = LearningPlan(
    first=40,
    test=12,
    held_out=12,
    met=12,
    budget=4,
    difficulty=0.0,
    first_parameters=SMALL | {"epochs": 16},
    second_parameters=SMALL | {"epochs": 2},
)


@pytest.mark.timeout(300)
async def test_two_trainings_with_a_detector_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    steps: list[str] = []
    async with open_wheel(PLAN, Audience(on_step=steps.append)) as wheel:
        turn = await wheel.turn(PLAN)
        processes = [program.process_id for program in wheel.stage.programs]
    first, second = turn.lessons
    assert (first.version, second.version) == ("1.0", "1.1")
    assert second.training.base_model is not None
    assert second.training.base_model.version == "1.0"
    assert first.score.map50 > 0.05
    assert 0 < turn.chosen <= PLAN.budget
    assert turn.chosen <= turn.kept <= PLAN.met
    assert second.labelled == PLAN.first + turn.chosen
    assert second.training.train_image_count == second.labelled
    assert turn.deployed == turn.answered
    assert judge(turn).checks[1].holds
    assert steps[0] == "starting the loop"
    assert still_running(processes) == []
    assert left_in(tmp_path) == []


def still_running(processes: list[int | None]) -> list[int | None]:
    return [process for process in processes if process and Path(f"/proc/{process}").exists()]


def left_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]
