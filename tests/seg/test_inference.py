"""seg.inference: labels of logits on the CPU, as plainly as they can be written down."""

import cv2
import numpy as np
import pytest
from scipy.special import softmax

from common.crf.dense import DEFAULTS, dense_crf
from seg.inference import ROWS, label_from_logits, resized

CRF = DEFAULTS | {"iterations": 2, "backend": "lattice"}
SIZE = (2 * ROWS + 5, 44)


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def draw(classes):
    """Logits of a small image, float32 (5, 6, classes), of which few classes are likely."""
    logits = 3 * np.random.default_rng(0).normal(size=(5, 6, classes)).astype(np.float32)
    logits[..., ::3] -= 9
    return logits


@pytest.mark.parametrize("classes", [2, 4, 21, 81])
def test_labels_are_those_of_one_softmax_of_everything(image, classes):
    logits = draw(classes)
    large = cv2.resize(logits, SIZE[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    assert (label_from_logits(image, logits, None) == large.argmax(0)).all()
    for least in (0, 0.05, 0.5):
        expected = dense_crf(image, softmax(large, axis=0), **CRF, min_probability=least).argmax(0)
        label = label_from_logits(image, logits, CRF | {"min_probability": least})
        assert label.dtype == np.uint8 and (label == expected).all()
    assert (
        label_from_logits(image, logits, CRF) == label_from_logits(image, logits, CRF | {"min_probability": 0})
    ).all()


def test_the_crf_gets_the_same_probabilities_to_the_bit(image, monkeypatch):
    got, logits = [], draw(21)
    monkeypatch.setattr("seg.inference.dense_crf", lambda rgb, scores, **_: got.append(scores.copy()) or scores)
    large = cv2.resize(logits, SIZE[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    label_from_logits(image, logits, CRF)
    label_from_logits(image, logits, CRF | {"min_probability": 0.1})
    expected = softmax(large, axis=0)
    assert np.array_equal(got[0], expected)
    assert 1 < len(got[1]) < 21 and np.array_equal(got[1], expected[expected.max((1, 2)) > 0.1])


@pytest.mark.parametrize("classes", [129, 255])
def test_more_channels_than_opencv_resizes_at_once(image, classes):
    logits = draw(classes)
    large = resized(logits, SIZE)
    assert large.shape == (*SIZE, classes)
    for channel in (0, 127, 128, classes - 1):
        one = cv2.resize(logits[..., channel], SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(large[..., channel], one, atol=1e-5)
    logits[..., -1] += 40
    assert (label_from_logits(image, logits, None) == classes - 1).all()
