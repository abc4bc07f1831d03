"""The detector: what comes out, and what a new or finished one says."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from learning_loop_node.errors import CriticalError
from learning_loop_node.trainer.backends.torch_detection.family import AnchorFree, family_named
from learning_loop_node.trainer.backends.torch_detection.network import STRIDES, Detector, grid

FAMILY = AnchorFree()


def images(count: int = 2, height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def model_of(variant: str = "nano", **options) -> Detector:
    torch.manual_seed(0)
    model = FAMILY.build(variant, 3, **options)
    assert isinstance(model, Detector)
    return model.eval()


@pytest.mark.parametrize("variant", FAMILY.variants)
@torch.no_grad()
def test_one_row_for_box_and_scores_at_each_place(variant: str):
    output = FAMILY.predict(model_of(variant), images())
    place_count = sum((64 // stride) * (96 // stride) for stride in STRIDES)
    assert output.shape == (2, 4 + 3, place_count)
    assert output.isfinite().all()
    assert ((output[:, 4:] >= 0) & (output[:, 4:] <= 1)).all()


@torch.no_grad()
def test_a_new_model_is_sure_of_nothing_and_finds_boxes_around_each_place():
    output = FAMILY.predict(model_of(), images())
    places, strides = grid(64, 96)
    assert output[:, 4:].max() < 0.1
    assert ((output[:, :2] - places).abs() < strides).all()
    assert ((output[:, 2:4] > strides) & (output[:, 2:4] < 4 * strides)).all()


@torch.no_grad()
def test_raw_and_final_boxes_are_the_same():
    model = model_of()
    logits, boxes = model.raw(images())
    output = model(images()).transpose(1, 2)
    corners = torch.cat([output[..., :2] - output[..., 2:4] / 2, output[..., :2] + output[..., 2:4] / 2], dim=-1)
    torch.testing.assert_close(corners, boxes, atol=1e-3, rtol=0)
    torch.testing.assert_close(output[..., 4:], logits.sigmoid())


@torch.no_grad()
def test_silenced_classes_are_never_found():
    output = FAMILY.predict(model_of(unlabelled=[1]), images())
    assert output[:, 5].max() < 1e-6
    assert output[:, [4, 6]].min() > 1e-6


@torch.no_grad()
def test_folding_normalisations_changes_nothing():
    model = model_of()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    before = copy.deepcopy(model.state_dict())
    simple = FAMILY.exportable(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in simple.modules())
    torch.testing.assert_close(simple(images()), model(images()), atol=1e-3, rtol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_row_for_each_class():
    assert {len(value) for value in FAMILY.class_parameters(model_of()).values()} == {3}


def test_kinds_of_models_are_known_by_name():
    assert isinstance(family_named("anchor_free"), AnchorFree)
    with pytest.raises(CriticalError, match="no models of the kind 'other'; known are anchor_free"):
        family_named("other")
