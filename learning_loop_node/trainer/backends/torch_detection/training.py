"""The program that trains: `python -m learning_loop_node.trainer.backends.torch_detection.training FOLDER`.

It reads `plan.json` in the folder, and goes on after the last complete epoch if there was one. After each epoch the
smoothed weights are looked at with the validation images; the best ones are kept, and in the end exported to ONNX.
With the same plan and the same number of threads, the result is the same to the byte.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ....data_classes.codec import to_json
from ....enums import CategoryType
from ....errors import CriticalError, NodeError
from ....evaluation.average_precision import average_precisions
from ....evaluation.evaluate import Comparison
from ....evaluation.labels import Found
from ....evaluation.labels import Truth as ImageTruth
from ....geometry.matching import macro_f1
from ....onnx_models.session import default_threads
from ....runtime.files import replace_file
from ...cuda import ProbeStep, measure_batch_size
from .augmentation import Augmentation
from .averaging import Average
from .batches import Batch, batch_of, images_of, plain_batches, training_batches, truth_of
from .checkpoints import Checkpoint, begin_with, load_state, save_state
from .export import export_onnx, log_to_stdout
from .family import DEFAULT_FAMILY, ModelFamily, Truth, family_named
from .findings import found_in, truth_in
from .hyperparameters import Hyperparameters, read_hyperparameters, unknown_ones
from .image_sets import ImageSets
from .plan import Plan, ResultFolder, trained
from .samples import InputSize, Samples, input_size, point_side

logger = logging.getLogger(__name__)

WARM_UP = 0.05
"""The part of all steps in which the learning rate rises."""

SHORTEST_WARM_UP = 20
"""In steps."""

LAST_RATE = 0.01
"""What the learning rate falls to, as a part of its highest value."""

CALM_END = 0.15
"""In this part of the epochs, the last one, there are no mosaics: the model gets used to what images look like."""

NO_NUMBER = "the loss is no number any more; train with a lower learning_rate"
LARGEST_GRADIENT = 10.0
PROGRESS_INTERVAL_S = 1.0
EVALUATION_BATCH = 16
CPU_BATCH_SIZES = (4, 8)
"""Of few images and of many. More would not be faster, and make fewer steps of the same time."""

FEW_IMAGES = 800


class TrainingProgram:
    """One training, in the order of its methods: prepare, epochs, export. On the GPU if there is one."""

    def __init__(self, plan: Plan, folder: Path, device: torch.device | None = None) -> None:
        self.plan = plan
        self.result = ResultFolder(folder)
        self.result.path.mkdir(exist_ok=True)
        self.wanted: Hyperparameters = read_hyperparameters(plan.hyperparameters)
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.categories = trained(plan.categories)
        self.family: ModelFamily = family_named(DEFAULT_FAMILY)
        self.size: InputSize = input_size(plan.images, self.wanted.resolution)
        self.metrics: dict[str, Any] = {"epochs": [], "best": None}
        self._state = load_state(self.result.last) if self.result.last.exists() else None
        self._told_at = 0.0
        if unknown := unknown_ones(plan.hyperparameters):
            logger.warning("these hyperparameters are not known and left out: %s", ", ".join(unknown))
        if others := [category.name for category in plan.categories if category not in self.categories]:
            logger.warning("these categories are neither boxes nor points and left out: %s", ", ".join(others))
        _make_repeatable(self.wanted.seed, self.device)
        # With a thread on each core, all of them wait whenever something else runs on one.
        torch.set_num_threads(self.wanted.threads or default_threads())
        self.sets = ImageSets.of(plan, self.categories, self.size, point_side(self.size, self.wanted.point_size))
        self._build()

    def run(self) -> None:
        """All that the node asks for."""
        self.train_model()
        export_onnx(Checkpoint.load(self.result.best), self.result.onnx)
        self._tell_progress(1.0, force=True)

    def train_model(self) -> None:
        """Train to the end, or until no epoch has been better for long."""
        for epoch in range(self._resume(), self.wanted.epochs + 1):
            if self._is_enough(epoch - 1):
                break
            self._epoch(epoch)

    def _is_enough(self, done_epoch: int) -> bool:
        best = self.metrics["best"]
        if not self.wanted.patience or best is None or done_epoch - best["epoch"] < self.wanted.patience:
            return False
        logger.info(
            "no epoch was better than epoch %d for %d epochs; this is enough", best["epoch"], self.wanted.patience
        )
        return True

    # --- prepare

    def _build(self) -> None:
        torch.manual_seed(self.wanted.seed)
        self.model = self.family.build(self.plan.variant, len(self.categories), self.sets.unlabelled)
        if self.plan.base_model:
            base = Checkpoint.load(Path(self.plan.base_model))
            names = [category.name for category in self.categories]
            begin_with(self.model, base, self.family, names, self.sets.unlabelled)
        self.model.to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.labelled = torch.ones(len(self.categories), dtype=torch.bool, device=self.device)
        self.labelled[self.sets.unlabelled] = False
        self.optimizer = _optimizer(self.model, self.wanted)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self._precision() is torch.float16)
        self.batch_size = self._batch_size()
        steps_per_epoch = -(-len(self.sets.train) // self.batch_size)
        self.step_count = steps_per_epoch * self.wanted.epochs
        self.average = Average(self.model, self.step_count)
        self.step = 0
        points = {number for number, category in enumerate(self.categories) if category.type == CategoryType.Point}
        self.augmentation = Augmentation(
            zoom=self.wanted.zoom,
            shift=self.wanted.shift,
            colour=self.wanted.colour,
            mosaic=self.wanted.mosaic,
            cutout=self.wanted.cutout,
            flip_lr=self.wanted.flip_lr,
            flip_ud=self.wanted.flip_ud,
            point_classes=frozenset(points),
            point_side=self.sets.train.point_side,
        )
        logger.info(
            "%s with %.1f million parameters on %s, %d images in a batch, %d steps in each of %d epochs",
            self.plan.variant,
            sum(value.numel() for value in self.model.parameters()) / 1e6,
            self.device,
            self.batch_size,
            steps_per_epoch,
            self.wanted.epochs,
        )

    def _batch_size(self) -> int:
        count = len(self.sets.train)
        if self._state is not None:  # what fits may have changed, but not what was planned
            return int(self._state["batch_size"])
        if self.wanted.batch_size:
            return min(self.wanted.batch_size, count)
        if self.device.type == "cpu":
            return min(CPU_BATCH_SIZES[count > FEW_IMAGES], count)
        return measure_batch_size(
            lambda: _Probe(self), max_batch_size=self.wanted.max_batch_size or 0, sample_count=count
        )

    def _resume(self) -> int:
        """The first epoch to train."""
        state = self._state
        if state is None:
            return 1
        self.model.load_state_dict(state["model"])
        self.average.load(state["average"], state["step"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.metrics = state["step"], state["metrics"]
        logger.info("the training goes on after epoch %d", state["epoch"])
        return int(state["epoch"]) + 1

    # --- epochs

    def _epoch(self, epoch: int) -> None:
        started = time.monotonic()
        self.model.train()
        is_calm = epoch > self.wanted.epochs * (1 - CALM_END)
        augmentation = self.augmentation.without_mosaic() if is_calm else self.augmentation
        seed = [self.wanted.seed, epoch]
        total, count = torch.zeros((), device=self.device), 0
        for batch in training_batches(self.sets.train, self.batch_size, augmentation, seed):
            total += self._train_step(batch)
            count += 1
            self._tell_progress(self.step / self.step_count)
        if not math.isfinite(float(total)):
            raise CriticalError(NO_NUMBER)
        trained_s = time.monotonic() - started
        truths, found = self._look(self.average.model, self.sets.validation)
        average = average_precisions(truths, found, len(self.categories))
        entry = {
            "epoch": epoch,
            "loss": round(float(total) / count, 4),
            "map50": _number(average.map50),
            "map50_95": _number(average.map50_95),
            "seconds": round(time.monotonic() - started, 2),
            "images_per_second": round(count * self.batch_size / trained_s, 1),
        }
        self.metrics["epochs"].append(entry)
        best = self.metrics["best"]
        is_better = best is None or entry["map50_95"] > best["map50_95"]
        if is_better:
            self._keep(entry, Comparison(truths, found, len(self.categories)))
        self._save(epoch)
        logger.info(
            "epoch %d of %d: loss %.3f, mAP50 %.3f, mAP50-95 %.3f%s; %.1f s, %.0f images/s",
            epoch,
            self.wanted.epochs,
            entry["loss"],
            entry["map50"],
            entry["map50_95"],
            " (best)" if is_better else "",
            entry["seconds"],
            entry["images_per_second"],
        )

    def _train_step(self, batch: Batch) -> Tensor:
        rate = self.wanted.learning_rate * _share_of_rate(self.step, self.step_count)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.optimize(images_of(batch, self.device), truth_of(batch, self.device))
        self.step += 1
        self.average.update(self.model)
        return loss

    def optimize(self, images: Tensor, truth: Truth) -> Tensor:
        """One step; the loss before it. `CriticalError` if it is no number any more."""
        with self._mixed_precision():
            loss = self.family.loss(self.model, images, truth, self.labelled).total
        if self.device.type == "cpu" and not math.isfinite(float(loss.detach())):
            raise CriticalError(NO_NUMBER)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    @torch.no_grad()
    def _look(self, model: nn.Module, samples: Samples) -> tuple[list[ImageTruth], list[Found]]:
        """What is in these images, and what the model finds."""
        truths: list[ImageTruth] = []
        found: list[Found] = []
        for batch in plain_batches(samples, EVALUATION_BATCH):
            for output in self.family.predict(model, images_of(batch, self.device)).cpu().numpy():
                sample = samples[len(truths)]
                truths.append(truth_in(sample, self.categories))
                found.append(found_in(sample, output, self.categories))
        return truths, found

    def _keep(self, entry: dict[str, Any], comparison: Comparison) -> None:
        """Make this the best model, with its counts on the test images, without any on those for validation."""
        model, confidence = self.average.model, comparison.best_confidence()
        f1 = macro_f1(comparison.counts(confidence))
        if self.sets.test is not self.sets.validation:
            comparison = Comparison(*self._look(model, self.sets.test), len(self.categories))
        counts = comparison.counts(confidence)
        by_id = {
            category.id: dict(zip(("tp", "fp", "fn"), row, strict=True))
            for category, row in zip(self.categories, counts.tolist(), strict=True)
        }
        Checkpoint(
            family=DEFAULT_FAMILY,
            variant=self.plan.variant,
            class_names=[category.name for category in self.categories],
            unlabelled=self.sets.unlabelled,
            size=self.size,
            epoch=entry["epoch"],
            confidence=confidence,
            weights={name: value.cpu() for name, value in model.state_dict().items()},
        ).save(self.result.best)
        self.metrics["best"] = {
            **entry,
            "conf_threshold": confidence,
            "f1": _number(f1),
            "counts": by_id,
            "size": asdict(self.size),
        }

    def _save(self, epoch: int) -> None:
        save_state(
            self.result.last,
            {
                "epoch": epoch,
                "step": self.step,
                "batch_size": self.batch_size,
                "metrics": self.metrics,
                "model": self.model.state_dict(),
                "average": self.average.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
            },
        )
        replace_file(self.result.metrics, to_json(self.metrics))

    def _tell_progress(self, share: float, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told_at > PROGRESS_INTERVAL_S:
            self._told_at = now
            replace_file(self.result.progress, to_json({"progress": round(share, 4)}))

    def _precision(self) -> torch.dtype | None:
        if self.device.type != "cuda" or not self.wanted.mixed_precision:
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16

    def _mixed_precision(self) -> AbstractContextManager[Any]:
        precision = self._precision()
        return torch.autocast(self.device.type, precision) if precision else nullcontext()


class _Probe(ProbeStep):
    """Tries how many images fit."""

    def __init__(self, program: TrainingProgram) -> None:
        self._program = program
        self._state = {name: value.clone() for name, value in program.model.state_dict().items()}
        images = program.sets.train
        self._sample = max((images[index] for index in range(len(images))), key=lambda sample: len(sample.boxes))

    def train_step(self, batch_size: int) -> str | None:
        batch = batch_of([self._sample] * batch_size)
        device = self._program.device
        self._program.model.train()
        self._program.optimize(images_of(batch, device), truth_of(batch, device))
        return None

    def val_step(self, batch_size: int) -> str | None:
        return None

    def on_out_of_memory(self) -> None:
        self._program.optimizer.zero_grad(set_to_none=True)

    def release(self) -> None:
        self._program.model.load_state_dict(self._state)
        self._program.optimizer = _optimizer(self._program.model, self._program.wanted)


def _share_of_rate(step: int, step_count: int) -> float:
    """How much of the learning rate applies in this step: rising, then falling like a cosine."""
    warm_up = max(round(WARM_UP * step_count), min(SHORTEST_WARM_UP, step_count // 2), 1)
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, step_count - warm_up)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def _optimizer(model: nn.Module, wanted: Hyperparameters) -> torch.optim.Optimizer:
    """Only weights of convolutions decay."""
    decaying = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    groups = [{"params": decaying, "weight_decay": wanted.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=wanted.learning_rate, fused=True)


def _number(value: float) -> float:
    """0 where it cannot be said."""
    return 0.0 if math.isnan(value) else round(value, 4)


def _make_repeatable(seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Trains what plan.json in a folder says.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    log_to_stdout()
    try:
        TrainingProgram(Plan.load(folder), folder).run()
    except NodeError as error:
        raise SystemExit(f"the training cannot go on: {error}") from error


if __name__ == "__main__":
    main()
