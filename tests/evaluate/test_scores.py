"""Scores against the published ones, and the shares that tell where quality is lost."""

import numpy as np
import pytest

from evaluate.scores import confusion_matrix, image_miou, scores


def test_scores_equal_the_published_ones(golden_file):
    golden = golden_file("scores")
    result = scores(
        confusion_matrix(golden["gt"].astype(np.uint8), golden["pred"].astype(np.uint8), int(golden["n_class"]) - 1)
    )
    for name in ("mean_iou", "pixel_accuracy", "mean_accuracy", "fw_iou"):
        assert result[name] == pytest.approx(float(golden[name]), rel=1e-12), name
    np.testing.assert_allclose(result["class_iou"], golden["class_iou"], rtol=1e-12)


def test_image_miou_over_the_classes_of_the_truth():
    truth = np.array([[0, 0, 0, 0], [1, 1, 255, 255]], np.uint8)
    prediction = np.array(
        [[0, 0, 2, 3], [1, 0, 3, 3]], np.uint8
    )  # 2 and 3 are not in the truth: no classes of the mean
    assert image_miou(truth, prediction, 3) == pytest.approx(100 * (2 / 5 + 1 / 2) / 2)
    assert image_miou(truth, truth, 3) == 100


def test_image_miou_counts_ignored_pixels_as_missed():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    assert image_miou(truth, np.array([[0, 0, 1, 255]], np.uint8), 1) == pytest.approx(75)
