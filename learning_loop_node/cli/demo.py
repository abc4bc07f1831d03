"""`learning-loop demo`: everything at work on photographs, with a verdict in the end."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .exit_status import ExitStatus
from .output import AsJson, print_json, stderr, stdout

if TYPE_CHECKING:
    from ..demo.photographs import Photograph
    from ..demo.play import Ending, Play

SHEET = "contact_sheet.png"
PHOTOGRAPH = "demo_photograph.jpg"


def demo(
    images: Annotated[
        Path | None, typer.Option(help="Folder with your own images; a sub-folder is a camera.", show_default=False)
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many photographs; 72 unless they are your own.", show_default=False)
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder for the contact sheet, and a photograph to try with --stay.")
    ] = Path("demo_output"),
    stay: Annotated[
        bool, typer.Option("--stay", help="Leave loop and nodes running until Ctrl-C, and say what to try.")
    ] = False,
    learn: Annotated[
        bool, typer.Option("--learn", help="Train two models instead, the second with what the first was unsure of.")
    ] = False,
    seed: Annotated[int, typer.Option(min=1, max=9999, help="With --learn: the dice for scenes and trainings.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run a loop and a detector on photographs of three cameras, and check that everything adds up.

    A second model is deployed while images keep flowing, and the loop is stopped and started again once.

    The photographs are real; faces of real people are pasted into some of them, so that the truth is known.

    Exit status 0 only if every photograph was answered and every kept one lies at the loop exactly once.

    With --learn the whole wheel turns once, in some minutes: a trainer makes a first model, the loop deploys it, the
    detector meets new images with it and keeps the doubtful ones, these are labelled, and a second training makes a
    better model. Exit status 0 only if it is better on images that neither training has seen.
    """
    if learn:
        if images is not None or count is not None:
            raise typer.BadParameter("--images and --count do not go with --learn: it draws scenes of its own")
        work = _learn(output, seed, stay, as_json)
    else:
        work = _run(images, count, output, stay, as_json)
    raise typer.Exit(asyncio.run(_cancelled_by_signals(work)))


async def _cancelled_by_signals(work: Coroutine[Any, Any, ExitStatus]) -> ExitStatus:
    """Signals that would end us let the programs that we started end first; a second one kills them."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        task.uncancel()
        stderr().print("interrupted; everything that was started has been stopped")
        return ExitStatus.INTERRUPTED


async def _learn(output: Path, seed: int, stay: bool, as_json: bool) -> ExitStatus:
    from ..demo.learning.plan import LearningPlan
    from .demo_learning import run_learning

    _make_folder(output)
    return await run_learning(LearningPlan(seed=seed), output, stay=stay, as_json=as_json)


async def _run(images: Path | None, count: int | None, output: Path, stay: bool, as_json: bool) -> ExitStatus:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ..demo.contact_sheet import draw_contact_sheet
    from ..demo.own_pictures import own_pictures
    from ..demo.photographs import DEFAULT_COUNT, photographs
    from ..demo.play import Audience, open_play
    from ..runtime.threads import io_bound

    def take() -> Sequence[Photograph]:
        if images is None:
            return photographs(count or DEFAULT_COUNT)
        found = own_pictures(images, count)
        for name, reason in found.skipped.items():
            complaints.print(f"skipped {name}: {reason}", style="yellow", soft_wrap=True)
        if found.ignored:
            complaints.print(_told_ignored(found.ignored), style="yellow", soft_wrap=True)
        return found.photographs

    _make_folder(output)
    complaints = stderr()
    taken = await io_bound(take)
    progress = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=complaints,
        disable=not complaints.is_terminal,
    )
    bar = progress.add_task("", total=len(taken))
    audience = Audience(
        on_step=lambda step: progress.update(bar, description=step), on_answer=lambda _: progress.advance(bar)
    )
    async with open_play(audience) as play:
        with progress:
            ending = await play.perform(taken, is_shipped=images is None)
            audience.on_step("drawing the contact sheet")
            sheet = (output / SHEET).resolve()
            await io_bound(draw_contact_sheet, ending.sightings, _title(ending, images is None), sheet)
        _tell(play, ending, sheet, stay, as_json)
        if not ending.verdict.adds_up:
            for program in play.stage.programs:
                complaints.print(f"{program.name} said at last:\n{program.log_tail()}", style="red", soft_wrap=True)
        if stay:
            await _stay(play, await io_bound(_save_one, ending, output))  # being interrupted is the way to end this
    if stay:
        complaints.print("stopped; their data are deleted")
    return ExitStatus.OK if ending.verdict.adds_up else ExitStatus.FAILED


def _make_folder(folder: Path) -> None:
    """Made at once, so that nobody waits for a picture that cannot be written."""
    from ..errors import SettingError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"--output {folder}: {error.strerror}") from error


def _told_ignored(ignored: Counter[str]) -> str:
    endings = ", ".join(sorted(ending or "without ending" for ending in ignored))
    return f"{ignored.total()} other file{'s' if ignored.total() > 1 else ''} ignored ({endings})"


def _title(ending: Ending, is_shipped: bool) -> str:
    cameras = {sighting.photograph.camera for sighting in ending.sightings}
    pasted = "; faces of Labeled Faces in the Wild are pasted into some, so that the truth is known"
    return (
        f"{len(ending.sightings)} photographs of {len(cameras)} camera{'s' if len(cameras) != 1 else ''}, "
        f"and what the detector made of them{pasted if is_shipped else ''}"
    )


def _tell(play: Play, ending: Ending, sheet: Path, stay: bool, as_json: bool) -> None:
    from ..demo.report import as_json as json_of
    from ..demo.report import print_places, print_verdict, table_of

    urls = {"loop": play.stage.loop.url + "/api/docs", "node": play.node.url + "/docs"}
    places: dict[str, object] = {"contact_sheet": sheet}
    if as_json:
        print_json(json_of(ending.sightings, ending.verdict, places | urls))
        return
    console = stdout()
    console.print(table_of(ending.sightings))
    print_verdict(console, ending.verdict)
    print_places(console, places | urls if stay else places)
    if not stay:
        ended = ", ".join(f"{name} {url}" for name, url in urls.items())
        console.print(f"{ended}: both have ended, --stay leaves them running", style="dim", soft_wrap=True)
    verdict = "everything adds up" if ending.verdict.adds_up else "it does NOT add up"
    console.print(verdict, style="bold green" if ending.verdict.adds_up else "bold red")


def _save_one(ending: Ending, folder: Path) -> Path:
    """A photograph as a file, for those who want to send one themselves; if possible, one with a clear detection."""
    from ..demo.sighting import Judgement

    clear = (sighting for sighting in ending.sightings if Judgement.CONFIDENT in sighting.judgements)
    file = (folder / PHOTOGRAPH).resolve()
    file.write_bytes(next(clear, ending.sightings[0]).photograph.jpeg)
    return file


async def _stay(play: Play, photograph: Path) -> None:
    """Show what can be tried, and wait for Ctrl-C."""
    stage = play.stage
    project = f"{stage.loop.url}/api/{stage.context.organization}/projects/{stage.context.project}"
    curl, file = r"curl -sw '\n'", shlex.quote(str(photograph))
    put = f"{curl} -X PUT -H 'Content-Type: application/json'"
    for line in (
        f"Loop and node go on running until Ctrl-C. Until then, their data and logs are in {stage.folder}",
        "Try in another terminal:",
        f"  {curl} -F file=@{file} {play.node.url}/detect",
        f"  {_called_as()} detect {play.node.url} {file}",
        f"  {curl} {play.node.url}/status",
        f"  {curl} '{project}/data'",
        f'  {put} -d \'{{"version": "1.0"}}\' {project}/deployment/target',
        f"  {curl} {play.node.url}/model_version   # 1.0 within 5 s",
    ):
        stderr().print(line, soft_wrap=True)
    with suppress(asyncio.CancelledError):
        await stage.until_one_ends()


def _called_as() -> str:
    """How to call this program from another terminal, which may be in another folder."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m learning_loop_node"
    found = shutil.which(program.name)
    if found is not None and Path(found).resolve() == program.resolve():
        return program.name
    return shlex.quote(str(program.absolute()))
