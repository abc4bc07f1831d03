"""How trainings are told on a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..enums import TrainerState, TrainingState
from ..enums.trainer import ODDITIES

if TYPE_CHECKING:
    from ..client.trainings import TrainingEntry, TrainingMetric

LOG_LINES = 20
"""So much of the log is shown when a training has failed."""

PHASES: Mapping[str, Sequence[TrainerState]] = {
    "getting images": (TrainerState.DataDownloading, TrainerState.DataDownloaded),
    "getting the base model": (TrainerState.TrainModelDownloading, TrainerState.TrainModelDownloaded),
    "training": (TrainerState.TrainingRunning, TrainerState.TrainingFinished),
    "sending metrics": (TrainerState.ConfusionMatrixSyncing, TrainerState.ConfusionMatrixSynced),
    "sending the model": (TrainerState.TrainModelUploading, TrainerState.TrainModelUploaded),
    "detecting": (TrainerState.Detecting, TrainerState.Detected),
    "sending detections": (TrainerState.DetectionUploading, TrainerState.ReadyForCleanup),
}
"""What a trainer does one after the other: the state in which it does it, and that in which it is done."""

STEPS = (
    *("prepare", "download_model", "run_training", "sync_confusion_matrix"),
    *("upload_model", "detecting", "upload_detections"),
)
"""What trainers call these in their errors."""

WAITING = "waiting for a trainer"
STARTING = "starting"
FOR_GPU = "waiting for the GPU"
"""A training that was interrupted, while another one has the GPU; it goes on where it was."""

NEXT_TRY = re.compile(r"^--- try \d+ of \d+ ---$", re.MULTILINE)
"""With what a trainer parts a log where its program is started again."""

UNKNOWN = re.compile(r"\b(not (\w+ )?(know|known|recogni[sz]ed|supported)|unknown|unexpected|no such)\b", re.IGNORECASE)
"""How it is said that something is not known."""


def phase_of(entry: TrainingEntry) -> tuple[str, bool]:
    """What is being done for a training, and whether that is done already."""
    if entry.state == TrainingState.Queued:
        return WAITING, False
    if entry.trainer_state == TrainerState.WaitingForSlot:
        return FOR_GPU, False
    for name, (doing, done) in PHASES.items():
        if entry.trainer_state in (doing, done):
            return name, entry.trainer_state == done
    return STARTING, False


def tries_again(entry: TrainingEntry) -> bool:
    """Whether its trainer tells of a failure after which it tries again.

    It also tells of what is odd, of what went wrong in an earlier step although it could go on, and of what it has
    given up.
    """
    if entry.trainer_state == TrainerState.ReadyForCleanup:
        return False
    name, is_done = phase_of(entry)
    step = list(PHASES).index(name) + is_done if name in PHASES else 0
    return any(key not in STEPS or STEPS.index(key) >= step for key in entry.errors if key not in ODDITIES)


def state_text(entry: TrainingEntry) -> str:
    """The state, with what is being done while it goes on, or why nobody does anything."""
    if entry.state == TrainingState.Queued:
        return f"{entry.state}: {entry.waiting_for}" if entry.waiting_for else entry.state
    if TrainingState(entry.state).has_ended:
        return entry.state
    waits = ", its trainer is away" if entry.trainer is not None and not entry.trainer.is_connected else ""
    return f"{entry.state}: {_doing_text(entry)}{waits}"


def _doing_text(entry: TrainingEntry) -> str:
    name, is_done = phase_of(entry)
    if entry.trainer_state == TrainerState.ReadyForCleanup:
        return "cleaning up"
    if (is_done or name == STARTING) and tries_again(entry):
        return "about to try again"
    if is_done:
        return f"done with {name}"
    return f"{name} {entry.progress:.0%}" if entry.progress is not None else name


def f1_of(counts: Mapping[str, Any]) -> float | None:
    """None where nothing was there and nothing was found.

    >>> f1_of({"tp": 3, "fp": 1, "fn": 1})
    0.75
    """
    right, wrong, missed = (counts.get(name, 0) for name in ("tp", "fp", "fn"))
    whole = 2 * right + wrong + missed
    return 2 * right / whole if whole else None


def macro_f1_of(confusion: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The mean of the categories that occur; as its trainer counts, which the loop does again with the detections.

    >>> macro_f1_of({"a": {"tp": 1, "fp": 0, "fn": 0}, "b": {"tp": 0, "fp": 0, "fn": 2}, "c": {"tp": 0, "fp": 9}})
    0.5
    """
    shares = [f1_of(counts) or 0.0 for counts in confusion.values() if counts.get("tp", 0) + counts.get("fn", 0)]
    return sum(shares) / len(shares) if shares else None


def share_text(value: float | None) -> str:
    return f"{value:.3f}" if value is not None else "-"


def metric_text(metric: TrainingMetric, names: Mapping[str, str]) -> str:
    """What an epoch was worth, in one line; `names` are those of the categories by id."""
    epoch = f"epoch {metric.epoch}" if metric.epoch is not None else "best so far"
    whole = macro_f1_of(metric.confusion_matrix)
    parts = [f"macro F1 {whole:.3f}"] if whole is not None else []
    for category_id, counts in metric.confusion_matrix.items():
        share = f1_of(counts)
        if share is not None:
            parts.append(f"{names.get(category_id, category_id)} {share:.3f}")
    return f"{epoch}: {', '.join(parts) or 'no counts'}"


def category_names(entry: TrainingEntry) -> dict[str, str]:
    return {category.id: category.name for category in entry.categories}


def model_text(entry: TrainingEntry) -> str:
    if entry.model is None:
        return "-"
    formats = f" ({', '.join(entry.model.formats)})" if entry.model.formats else ""
    return f"{entry.model.version}{formats}"


def end_text(entry: TrainingEntry) -> str:
    """How a training has ended, or is being ended, in one line."""
    text = f"training {entry.number} is {entry.state}" if entry.state != "failed" else f"training {entry.number} failed"
    if entry.error:
        text += f": {in_one_line(entry.error)}"
    elif entry.state != TrainingState.Finished and (errors := errors_text(entry.errors)):
        text += f": {errors}"
    if entry.model is not None and entry.model.formats:
        text += f"; model {model_text(entry)}" if entry.state == TrainingState.Finished else f"; {stays_text(entry)}"
    return text


def hint_of(entry: TrainingEntry) -> str | None:
    """What is not as usual with a training: why it waits, or what went wrong on its way."""
    if entry.waiting_for:
        return f"waits: {entry.waiting_for}"
    return f"is {entry.state}, but {in_one_line(entry.notice)}" if entry.notice else None


def stays_text(entry: TrainingEntry) -> str:
    return f"the model {model_text(entry)} was uploaded already and stays"


def hyperparameters_in(entry: TrainingEntry) -> list[str]:
    """The hyperparameters that a training failed for, as far as the error names them."""
    text = entry.error or ""
    if "hyperparameter" not in text:
        return []
    return [name for name in entry.hyperparameters if re.search(rf"\b{re.escape(name)}\b", text)]


def are_unknown(error: str) -> bool:
    """Whether an error says that the hyperparameters that it names are not known at all, whatever their values.

    >>> are_unknown("I do not know the hyperparameters ['epoch']"), are_unknown("rate must be above 0")
    (True, False)
    """
    return UNKNOWN.search(error) is not None


def took_text(entry: TrainingEntry) -> str:
    """How long it has worked."""
    if entry.started is None:
        return "-"
    end = datetime.fromisoformat(entry.ended) if entry.ended else datetime.now(UTC)
    minutes, seconds = divmod(int((end - datetime.fromisoformat(entry.started)).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def tail_of(log: str, lines: int = LOG_LINES) -> str:
    """The end of a log, of its last try only."""
    return "\n".join(NEXT_TRY.split(log)[-1].strip("\n").splitlines()[-lines:])


def log_news(former_bytes: int, text: str, size_bytes: int) -> str:
    """What a log says more than before. Only its end is known, so something in between may be missing.

    >>> log_news(4, "b\\nc\\n", 6)
    'c\\n'
    >>> log_news(2, "x\\n", 9)
    '…\\nx\\n'
    """
    count = size_bytes - former_bytes
    content = text.encode()
    if count <= 0:
        return "" if count == 0 else text
    return content[-count:].decode(errors="replace") if count <= len(content) else f"…\n{text}"


def errors_text(errors: Mapping[str, Any]) -> str:
    """Errors of a node by what it was doing, in one line: of long ones the first and the last line.

    >>> errors_text({"train": "it ended with 1:\\n  in main\\nRuntimeError: no room"})
    'train: it ended with 1: … RuntimeError: no room'
    """
    return "; ".join(f"{key}: {in_one_line(str(text))}" for key, text in errors.items())


def in_one_line(text: str) -> str:
    """The first and the last line of a text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines) if len(lines) <= 2 else f"{lines[0]} … {lines[-1]}"


def without_times(text: str) -> str:
    """A text without what changes from second to second.

    >>> without_times("trainer a refused it; it is asked again in 20 s")
    'trainer a refused it; it is asked again in s'
    """
    return re.sub(r"\d+ (?=s\b)", "", text)
