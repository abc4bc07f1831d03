"""What predictions are worth, on cases that can be counted by hand, and against another way of counting."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from learning_loop_node.data_classes import BoxAnnotation, Category, PointAnnotation, PointDetection
from learning_loop_node.enums import CategoryType
from learning_loop_node.geometry.precision_recall import interpolated_precision, precision_recall

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval (extra [evaluation])")

from learning_loop_node.evaluation.average_precision import average_precisions
from learning_loop_node.evaluation.evaluate import Comparison, evaluate
from learning_loop_node.evaluation.labels import Found, Truth, found_of, truth_of

BOX = Category(id="b", name="box", type=CategoryType.Box)
POINT = Category(id="p", name="point", type=CategoryType.Point, point_size=10)


def truth(*rows: tuple[float, float, float, float, int]) -> Truth:
    table = np.array(rows, np.float64).reshape(-1, 5)
    return Truth(boxes_xyxy=table[:, :4], classes=table[:, 4].astype(np.intp))


def found(*rows: tuple[float, float, float, float, int, float]) -> Found:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Found(boxes_xyxy=table[:, :4], classes=table[:, 4].astype(np.intp), scores=table[:, 5])


class TestEvaluate:
    def test_counts_what_is_right_wrong_and_missed(self):
        told = evaluate(
            [truth((0, 0, 10, 10, 0), (20, 0, 30, 10, 1)), truth((0, 0, 10, 10, 0))],
            [found((0, 0, 10, 10, 0, 0.9), (50, 50, 60, 60, 0, 0.8)), found()],
            2,
            confidence=0.5,
        )
        assert told.counts.tolist() == [[1, 1, 1], [0, 0, 1]]
        assert_allclose(told.scores[0], [0.5, 0.5, 0.5])
        assert told.macro_f1 == pytest.approx(0.25)

    def test_a_box_of_another_class_is_wrong_and_the_truth_is_missed(self):
        told = evaluate([truth((0, 0, 10, 10, 0))], [found((0, 0, 10, 10, 1, 0.9))], 2, confidence=0.5)
        assert told.counts.tolist() == [[0, 0, 1], [0, 1, 0]]

    def test_believes_from_the_confidence_on_that_is_best(self):
        wrong = [(50.0, 50.0, 60.0, 60.0, 0, 0.3 + number / 100) for number in range(5)]
        told = evaluate([truth((0, 0, 10, 10, 0))], [found((0, 0, 10, 10, 0, 0.8), *wrong)], 1)
        assert 0.34 < told.confidence <= 0.8
        assert told.counts.tolist() == [[1, 0, 0]]

    def test_matches_do_not_depend_on_the_confidence(self):
        """The surer one takes the truth; the other is wrong, whether it is believed or not."""
        one = found((0, 0, 10, 10, 0, 0.9), (0, 0, 10, 9, 0, 0.4))
        comparison = Comparison([truth((0, 0, 10, 10, 0))], [one], 1)
        assert comparison.counts(0.3).tolist() == [[1, 1, 0]]
        assert comparison.counts(0.5).tolist() == [[1, 0, 0]]
        assert comparison.counts(0.95).tolist() == [[0, 0, 1]]

    def test_wants_predictions_for_every_image(self):
        with pytest.raises(ValueError, match="2 images with truth, but predictions for 1"):
            evaluate([truth(), truth()], [found()], 1)


class TestAveragePrecision:
    def test_is_one_for_a_model_that_is_right(self):
        rows = [(0, 0, 40, 40, 0), (50, 50, 60, 60, 1)]
        told = average_precisions([truth(*rows)], [found(*((*row, 0.9) for row in rows))], 2)
        assert (told.map50, told.map50_95) == pytest.approx((1.0, 1.0))
        assert told.by_size["small"] == pytest.approx(1.0)
        assert told.by_size["medium"] == pytest.approx(1.0)
        assert np.isnan(told.by_size["large"])

    def test_is_zero_for_a_model_that_finds_nothing(self):
        assert average_precisions([truth((0, 0, 10, 10, 0))], [found()], 1).map50 == 0

    def test_cannot_be_said_where_there_is_no_truth(self):
        told = average_precisions([truth((0, 0, 10, 10, 0))], [found((0, 0, 10, 10, 0, 0.9))], 2)
        assert np.isnan(told.ap50[1])
        assert told.map50 == pytest.approx(1.0)
        assert np.isnan(average_precisions([truth()], [found((0, 0, 1, 1, 0, 0.5))], 1).map50)

    def test_asks_for_tighter_boxes_than_half(self):
        told = average_precisions([truth((0, 0, 10, 10, 0))], [found((0, 0, 10, 7.2, 0, 0.9))], 1)
        assert told.map50 == pytest.approx(1.0)
        assert told.map50_95 == pytest.approx(0.5)  # 0.50 to 0.70 of 0.50 to 0.95

    def test_is_what_it_is_by_hand(self):
        """Right, wrong, right, of four: up to a recall of 0.25 all is right, up to 0.5 two of three, beyond nothing."""
        rows = [(100.0 * number, 0.0, 100.0 * number + 10, 10.0, 0) for number in range(4)]
        guesses = [(*rows[0], 0.9), (50.0, 50.0, 60.0, 60.0, 0, 0.8), (*rows[1], 0.7)]
        told = average_precisions([truth(*rows)], [found(*guesses)], 1)
        assert told.map50 == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)

    def test_of_sizes_looks_at_things_of_each_size_alone(self):
        """What is found of another size is neither right nor wrong there."""
        rows = [(0, 0, 20, 20, 0), (100, 0, 150, 50, 0), (0, 200, 20, 220, 1)]
        told = average_precisions([truth(*rows)], [found((*rows[0], 0.9), (*rows[2], 0.9))], 2)
        assert_allclose(told.ap50_95_by_size, [[1.0, 0.0, np.nan], [1.0, np.nan, np.nan]])
        assert told.by_size["small"] == pytest.approx(1.0)
        assert told.by_size["medium"] == 0

    @pytest.mark.parametrize("seed", range(5))
    def test_is_the_mean_of_our_own_curve(self, seed: int):
        truths, guesses = random_labels(np.random.default_rng(seed))
        told = evaluate(truths, guesses, 3)
        ours = [interpolated_precision(curve).mean() for curve in told.curves]
        assert_allclose(told.average.ap50, ours, atol=1e-9)


class TestCurve:
    def test_equal_confidences_are_one_place(self):
        curve = precision_recall(np.array([0.5, 0.5, 0.4]), np.array([True, False, True]), 2)
        assert curve.confidences.tolist() == [0.5, 0.4]
        assert_allclose(curve.precision, [0.5, 2 / 3])

    def test_of_nothing_is_empty(self):
        curve = precision_recall(np.empty(0), np.empty(0, np.bool_), 3)
        assert len(curve.precision) == 0
        assert interpolated_precision(curve).sum() == 0

    def test_recall_cannot_be_said_without_truth(self):
        assert np.isnan(precision_recall(np.array([0.5]), np.array([False]), 0).recall).all()

    def test_refuses_what_does_not_belong_together(self):
        with pytest.raises(ValueError, match="equal length"):
            precision_recall(np.array([0.5, 0.4]), np.array([True]), 1)


class TestLabels:
    def test_a_point_within_its_size_overlaps_by_half(self):
        known = truth_of([], [PointAnnotation(category_id="p", category_name="point", x=50, y=50)], [BOX, POINT])
        for distance, is_found in ((9, True), (11, False)):
            point = PointDetection(
                category_name="point", category_id="p", x=50 + distance, y=50, model_name="1.0", confidence=0.9
            )
            told = evaluate([known], [found_of([], [point], [BOX, POINT])], 2, confidence=0.5)
            assert told.counts[1].tolist() == ([1, 0, 0] if is_found else [0, 1, 1])

    def test_leaves_out_categories_that_are_not_asked_about(self):
        known = truth_of(
            [BoxAnnotation(category_id="other", category_name="other", x=0, y=0, width=5, height=5)], [], [BOX]
        )
        assert len(known.classes) == 0


def random_labels(rng: np.random.Generator) -> tuple[list[Truth], list[Found]]:
    truths, guesses = [], []
    for _ in range(8):
        count = int(rng.integers(1, 6))
        corners = rng.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(30, 60, (count, 2))], axis=1)
        classes = rng.integers(0, 3, count)
        truths.append(Truth(boxes_xyxy=boxes, classes=classes))
        moved = np.concatenate([boxes + rng.uniform(-7, 7, boxes.shape), boxes + 300])
        scores = rng.permutation(np.linspace(0.1, 0.9, 2 * count)) + rng.uniform(0, 1e-3, 2 * count)
        guesses.append(Found(boxes_xyxy=moved, classes=np.tile(classes, 2), scores=scores))
    return truths, guesses
