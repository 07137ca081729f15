"""Dense CRF post-processing (paper 4.1; Krähenbühl and Koltun, NeurIPS 2011; parameters as published)."""

import numpy as np

DEFAULTS = {
    "iterations": 10,
    "gaussian_sxy": 1,  # smoothness: standard deviation in pixels …
    "gaussian_weight": 3,
    "bilateral_sxy": 67,  # appearance: … in pixels and …
    "bilateral_srgb": 3,  # … in grey levels, 0 to 255
    "bilateral_weight": 4,
}


def dense_crf(
    image, probabilities, iterations, gaussian_sxy, gaussian_weight, bilateral_sxy, bilateral_srgb, bilateral_weight
):
    """Mean-field inference in a fully connected CRF.

    image: uint8 (H, W, 3), RGB. probabilities: float32 (C + 1, H, W), a softmax. Returns float32 (C + 1, H, W).
    """
    from pydensecrf.densecrf import DenseCRF2D
    from pydensecrf.utils import unary_from_softmax

    count, height, width = probabilities.shape
    crf = DenseCRF2D(width, height, count)
    crf.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probabilities)))
    crf.addPairwiseGaussian(sxy=gaussian_sxy, compat=gaussian_weight)
    rgb = np.array(image, order="C")  # a copy, because pydensecrf wants to be able to write to it
    crf.addPairwiseBilateral(sxy=bilateral_sxy, srgb=bilateral_srgb, rgbim=rgb, compat=bilateral_weight)
    return np.asarray(crf.inference(iterations), np.float32).reshape(count, height, width)
