"""The CRF follows the image's edges and respects confident pixels."""

import numpy as np

from seg.crf import DEFAULTS, dense_crf


def test_labels_snap_to_edges():
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 16:] = 255
    probabilities = np.full((2, 24, 32), 0.5, np.float32)
    probabilities[0, :, :13], probabilities[1, :, :13] = 0.9, 0.1
    probabilities[0, :, 20:], probabilities[1, :, 20:] = 0.1, 0.9
    probabilities[:, :, 13:20] = [[[0.45]], [[0.55]]]  # undecided around the edge
    result = dense_crf(image, probabilities, **DEFAULTS)
    assert result.shape == (2, 24, 32) and result.dtype == np.float32
    np.testing.assert_allclose(result.sum(0), 1, atol=1e-4)
    label = result.argmax(0)
    assert (label[:, :16] == 0).all() and (label[:, 16:] == 1).all()
