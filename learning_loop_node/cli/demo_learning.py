"""`learning-loop demo --learn`: a model learns, a detector meets new images with it, a better one comes out."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .exit_status import ExitStatus
from .output import print_json, stderr, stdout

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..demo.learning.plan import LearningPlan
    from ..demo.learning.wheel import Audience, Turn, Wheel

CURVE = "learning_curve.png"
SHEET = "models_on_held_out_images.png"


async def run_learning(plan: LearningPlan, output: Path, *, stay: bool, as_json: bool) -> ExitStatus:
    """Turn the wheel once, draw what came of it into the folder `output`, and judge it."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from ..demo.learning.curve import draw_learning_curve
    from ..demo.learning.report import as_json as json_of
    from ..demo.learning.report import judge, print_turn, table_of
    from ..demo.learning.sheet import draw_sheet
    from ..demo.learning.wheel import open_wheel
    from ..demo.report import print_places, print_verdict
    from ..runtime.threads import io_bound

    complaints = stderr()
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=complaints, disable=not complaints.is_terminal) as progress:
        async with open_wheel(plan, _audience(progress)) as wheel:
            turn = await wheel.turn(plan)
            progress.stop()
            verdict = judge(turn)
            curve, sheet = (output / CURVE).resolve(), (output / SHEET).resolve()
            scores, versions = [lesson.score for lesson in turn.lessons], [lesson.version for lesson in turn.lessons]
            await io_bound(draw_learning_curve, turn, curve)
            await io_bound(draw_sheet, wheel.world.held_out, scores, versions, wheel.world.categories, sheet)
            places: dict[str, object] = {"learning_curve": curve, "contact_sheet": sheet}
            if as_json:
                print_json(json_of(turn, verdict, places))
            else:
                console = stdout()
                print_turn(console, turn)
                console.print(table_of(turn))
                print_verdict(console, verdict)
                print_places(console, places)
                text = "the second model is better" if verdict.adds_up else "it does NOT add up"
                console.print(text, style="bold green" if verdict.adds_up else "bold red")
            if not verdict.adds_up:
                for program in wheel.stage.programs:
                    complaints.print(f"{program.name} said at last:\n{program.log_tail()}", style="red", soft_wrap=True)
            if stay:
                await _stay(wheel, turn)
    if stay:
        complaints.print("stopped; their data are deleted")
    return ExitStatus.OK if verdict.adds_up else ExitStatus.FAILED


def _audience(progress: Progress) -> Audience:
    """A bar for the present step on a terminal, elsewhere a line for each step."""
    from ..demo.learning.wheel import Audience

    bar = progress.add_task("", total=None)
    is_live = not progress.disable

    def step(text: str) -> None:
        if is_live:
            progress.reset(bar, total=None, description=text)
        else:
            progress.console.print(text, soft_wrap=True)

    def advance(share: float | None) -> None:
        progress.update(bar, total=None if share is None else 1.0, completed=share or 0.0)

    def note(text: str) -> None:
        progress.console.print(text, soft_wrap=True, style="bold")

    return Audience(on_step=step, on_progress=advance, on_note=note)


async def _stay(wheel: Wheel, turn: Turn) -> None:
    """Say what can be tried, and wait for Ctrl-C."""
    stage = wheel.stage
    place = stage.context
    versions = " ".join(lesson.version for lesson in turn.lessons)
    for line in (
        f"Loop, trainer and detector go on running until Ctrl-C. Until then, their data and logs are in {stage.folder}",
        "Try in another terminal:",
        f"  export LOOP_HOST={stage.loop_settings.host} LOOP_ORGANIZATION={place.organization} "
        f"LOOP_PROJECT={place.project}",
        "  learning-loop trainings list",
        f"  learning-loop models compare {versions}",
        f"  learning-loop train --base-model {turn.lessons[1].version} --variant {turn.plan.variant}",
        f"  curl -s {wheel.detector.url}/status",
    ):
        stderr().print(line, soft_wrap=True)
    with suppress(asyncio.CancelledError):
        await stage.until_one_ends()
