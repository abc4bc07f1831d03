"""Watches a training to its end: a bar for each thing that its trainer does, a line for each epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from ..enums import TrainerState, TrainingState
from ..errors import LoopUnreachableError, NodeError, TransferBrokenError, UnavailableError
from .exit_status import ExitStatus
from .output import print_json, stderr, stdout
from .training_texts import (
    FOR_GPU,
    PHASES,
    STARTING,
    WAITING,
    are_unknown,
    category_names,
    end_text,
    errors_text,
    hyperparameters_in,
    in_one_line,
    metric_text,
    phase_of,
    share_text,
    state_text,
    tail_of,
    tries_again,
    without_times,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..client.loop import LoopClient
    from ..client.trainings import TrainingEntry
    from .asked import Asked

EVERY_S = 1.0
MOST_TRIES = 600
"""So often in a row the loop may not be there."""

WHOLE = 100
USUAL = (TrainingState.Queued, TrainingState.Starting, TrainingState.Running)


async def follow(asked: Asked, loop: LoopClient, entry: TrainingEntry, *, wait: bool) -> None:
    """Watch a training to its end and say how it ended; the command then ends with 0, or 1 if no model came out.

    Without `wait`, say only how it stands and how it is watched.
    """
    if not wait:
        if asked.as_json:
            print_json(entry)
        else:
            watch = asked.command("trainings", "watch", entry.number)
            stdout().print(f"training {entry.number} is {state_text(entry)}; `{watch}` shows it", soft_wrap=True)
        return
    ended = await _watch(asked, loop, entry.number)
    is_finished = ended.state == TrainingState.Finished
    if asked.as_json:
        print_json(ended)
    elif is_finished:
        await _tell_result(asked, loop, ended)
    if not is_finished:
        await _tell_failure(asked, loop, ended)
        raise typer.Exit(ExitStatus.FAILED)


async def _tell_result(asked: Asked, loop: LoopClient, entry: TrainingEntry) -> None:
    """What came out, and what the project's rule made of it, or what it is worth beside the deployed model."""
    stdout().print(end_text(entry), soft_wrap=True)
    if entry.notice:
        stdout().print(f"but {in_one_line(entry.notice)}", style="yellow", soft_wrap=True)
    if entry.model is None or entry.model.version is None:
        return
    version = entry.model.version
    decision = (await loop.models.get(version)).deployment_decision
    if decision is not None:
        stdout().print(decision, soft_wrap=True)
        return
    target = await loop.deployment.target()
    if target is not None and target.version != version:
        former, score = (await loop.evaluations.compare([target.version, version])).models
        beside = f", the deployed {target.version} {share_text(former.macro_f1)}"
    else:
        score, beside = await loop.evaluations.of(version), ""
    if count := score.images.compared:
        text = f"macro F1 on {count} test image{'' if count == 1 else 's'}: {share_text(score.macro_f1)}{beside}"
        stdout().print(text, soft_wrap=True)
    is_deployed = target is not None and target.version == version
    deploy = asked.command("models", "deploy", version)
    text = "it is deployed" if is_deployed else f"`{deploy}` lets detectors run it"
    stdout().print(text, soft_wrap=True)


async def _tell_failure(asked: Asked, loop: LoopClient, entry: TrainingEntry) -> None:
    """What failed, in one line; what the program said last; what can be done, in one line."""
    console = stderr()
    console.print(end_text(entry), style="red", soft_wrap=True)
    if entry.state != TrainingState.Failed:
        return
    with suppress(NodeError):
        if log := tail_of((await loop.trainings.log(entry.number)).text):
            whole = asked.command("trainings", "log", entry.number)
            console.print(f"the end of its log (`{whole}` has more):", soft_wrap=True)
            console.print(log, soft_wrap=True, style="dim")
    retry = ("trainings", "retry", entry.number)
    if names := hyperparameters_in(entry):
        without = f"without {'it' if len(names) == 1 else 'them'}"
        value, how = ("null", without) if are_unknown(entry.error or "") else ("VALUE", "with another value")
        changed = asked.command(*retry, *(word for name in names for word in ("--param", f"{name}={value}")))
        console.print(f"`{changed}` does it again {how}", soft_wrap=True)
    else:
        hint = f"once the cause is gone, `{asked.command(*retry)}` does it again; --param changes a hyperparameter"
        console.print(hint, soft_wrap=True)


async def _watch(asked: Asked, loop: LoopClient, number: int) -> TrainingEntry:
    """The training as it has ended. What happens on the way is told on standard error.

    A loop that is away for a while is waited for; whoever interrupts is told that the training goes on.
    """
    with _shown(asked) as view:
        try:
            return await _until_ended(loop, number, view)
        except asyncio.CancelledError:  # Ctrl-C
            watch = asked.command("trainings", "watch", number)
            end = asked.command("trainings", "abort" if view.is_queued else "stop", number)
            what = "takes it back" if view.is_queued else "ends it and keeps what there is"
            view.say(f"training {number} goes on; `{watch}` shows it again, `{end}` {what}")
            raise


async def _until_ended(loop: LoopClient, number: int, view: _View) -> TrainingEntry:
    told_epochs = 0
    former: Any = None
    tries = 0
    while True:
        try:
            entry = await loop.trainings.get(number)
            counted = (entry.best_epoch, entry.confusion_matrix, TrainingState(entry.state).has_ended)
            if counted != former:
                metrics = await loop.trainings.metrics(number)
                for metric in metrics[told_epochs:]:
                    view.say(metric_text(metric, category_names(entry)))
                told_epochs, former = len(metrics), counted
            tries = 0
        except (LoopUnreachableError, TransferBrokenError, UnavailableError) as error:
            tries += 1
            if tries > MOST_TRIES:
                raise
            view.tell_away(error)
        else:
            view.show(entry)
            if TrainingState(entry.state).has_ended:
                return entry
        await loop.http.clock.sleep(EVERY_S)


@dataclass
class _View:
    """Bars on a terminal; elsewhere a line for each change."""

    asked: Asked
    progress: Progress
    is_live: bool
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _told: tuple[str, ...] = ()
    _told_wait: str | None = None
    _errors: str = ""
    _is_away: bool = False
    _notice: str = ""
    _is_trainer_gone: bool = False

    @property
    def is_queued(self) -> bool:
        return self._told_wait is not None

    def say(self, text: str, style: str | None = None) -> None:
        self.progress.console.print(text, style=style, soft_wrap=True)

    def tell_away(self, error: NodeError) -> None:
        if not self._is_away:
            reason = self.asked.words_of(str(error))
            self.say(f"the loop does not answer ({reason}); the training goes on, trying again")
        self._is_away = True

    def show(self, entry: TrainingEntry) -> None:
        if self._is_away:
            self.say("the loop is back")
        self._is_away = False
        self._tell_errors(entry)
        self._tell_wait(entry)
        self._tell_notice(entry)
        if not TrainingState(entry.state).has_ended:
            if self.is_live:
                self._show_phase(entry)
            else:
                self._tell_phase(entry)
        elif entry.state == TrainingState.Finished:
            for task in self._tasks.values():
                self.progress.update(task, total=WHOLE, completed=WHOLE)

    def _show_phase(self, entry: TrainingEntry) -> None:
        name, is_done = phase_of(entry)
        if _is_given_up(entry):  # no step is done with that
            return
        order = [WAITING, STARTING, FOR_GPU, *PHASES]
        reached = order.index(name) + is_done
        for other, task in self._tasks.items():
            if order.index(other) < reached:
                self.progress.update(task, total=WHOLE, completed=WHOLE, description=other)
        if is_done:  # what comes next has its bar when it begins, or keeps it while it waits to be tried again
            return
        if name not in self._tasks:
            self._tasks[name] = self.progress.add_task(name, total=None)
        share = entry.progress
        text = name if entry.state in USUAL else f"{name} ({entry.state})"
        total = WHOLE if share is not None else None
        self.progress.update(self._tasks[name], total=total, completed=(share or 0) * WHOLE, description=text)

    def _tell_phase(self, entry: TrainingEntry) -> None:
        name, is_done = phase_of(entry)
        if is_done:  # what comes next is told when it begins
            return
        who = entry.trainer.name if entry.trainer is not None else ""
        told = (entry.state, name, who)
        if told != self._told:
            by = f" at {who}" if who and name != WAITING else ""
            self.say(f"{name}{by}" if entry.state in USUAL else f"{name}{by} ({entry.state})")
        self._told = told

    def _tell_wait(self, entry: TrainingEntry) -> None:
        """Why no trainer has it; not at once, since usually one takes it within a second."""
        if entry.state != TrainingState.Queued:
            self._told_wait = None
            return
        reason = entry.waiting_for or ""
        if self._told_wait is not None and without_times(reason) != without_times(self._told_wait):
            self.say(f"it waits: {reason}")
        self._told_wait = "" if self._told_wait is None else reason

    def _tell_notice(self, entry: TrainingEntry) -> None:
        """What is odd, such as that its trainer is away, and that it is back; what is odd in the end comes later."""
        if TrainingState(entry.state).has_ended:
            return
        is_gone = entry.trainer is not None and not entry.trainer.is_connected
        if self._is_trainer_gone and not is_gone:
            self.say("its trainer is back")
        if entry.notice and entry.notice != self._notice:
            self.say(self.asked.words_of(entry.notice), style="yellow")
        self._notice, self._is_trainer_gone = entry.notice or "", is_gone and bool(entry.notice)

    def _tell_errors(self, entry: TrainingEntry) -> None:
        errors = errors_text(entry.errors)
        if errors and errors != self._errors and not TrainingState(entry.state).has_ended:
            if tries_again(entry):
                abort = self.asked.command("trainings", "abort", entry.number)
                self.say(f"its trainer tries again (`{abort}` ends that): {errors}", style="yellow")
            elif not _is_given_up(entry):
                self.say(f"its trainer goes on, although something went wrong: {errors}", style="yellow")
        self._errors = errors


def _is_given_up(entry: TrainingEntry) -> bool:
    """Whether its trainer only cleans up after a failure."""
    has_model = entry.model is not None and bool(entry.model.formats)
    return entry.trainer_state == TrainerState.ReadyForCleanup and bool(entry.errors) and not has_model


@contextmanager
def _shown(asked: Asked) -> Iterator[_View]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = stderr()
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield _View(asked, progress, console.is_terminal)
