"""A trained DeepLab-v2 from Python: a weight file, then arrays in and arrays out."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.crf.dense import DEFAULTS, choose_backend
from common.files.photographs import shrunk
from common.training import device as devices
from seg.inference import load_deeplab, outputs_of, resize_label
from stages.files import InputError


class Segmenter:
    """Labels the pixels of photographs with a weight file of seg.train, or a published DeepLab-v2 with ResNet-101.

    `crf`: whether a dense CRF follows, as in the paper (4.1), with its published parameters, or a dictionary of those
    of common.crf.dense.dense_crf that differ, such as {"iterations": 5}. `device`: "auto" (a GPU if there is one),
    "cpu", "cuda", "cuda:1", …. `pyramid`: extra input scales, by default those of the weights. `amp`: bfloat16, by
    default if the hardware is fast at it. `longest`: larger images are shrunk for the network to so many pixels on
    their longer side, as with seg.predict --longest.

    Attributes: `class_names` (list of C foreground class names: label value c has class_names[c - 1]), `device`.
    Raises InputError if the file holds no such network, or if the device or the CRF's backend is not available.
    """

    def __init__(
        self,
        weights: Path | str,
        crf: bool | dict[str, Any] = False,
        device: str = "auto",
        pyramid: list[float] | None = None,
        amp: bool | None = None,
        longest: int | None = None,
    ):
        self.device = devices.select_device(device)
        network, self.class_names = load_deeplab(Path(weights), pyramid)
        self._network = devices.to_device(network, self.device)
        self._smallest = network.smallest_side()
        self._amp, self._longest = amp, longest
        self._crf = _crf_parameters(crf, self.device) if crf or isinstance(crf, dict) else None

    def predict(self, rgb: np.ndarray) -> np.ndarray:
        """Label each pixel of an image: 0 background, 1 to C the classes of `class_names`.

        rgb: uint8 (H, W, 3), RGB, upright. Returns uint8 (H, W), the label that `seg.predict --images` writes for that
        photograph alone. Raises InputError if `rgb` is not such an array, or too small for the network.
        """
        if not (isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3):
            found = f"{rgb.dtype} {rgb.shape}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
            raise InputError(f"expected an image as uint8 (H, W, 3), RGB, found {found}")
        size = rgb.shape[:2]
        rgb = shrunk(rgb, self._longest)
        if min(rgb.shape[:2]) < self._smallest:
            found = f"{rgb.shape[1]}x{rgb.shape[0]}"
            raise InputError(f"expected an image of at least {self._smallest} pixels a side, found {found}")
        rgbs = torch.from_numpy(np.array(rgb, order="C"))[None]  # a copy: the array may be read-only
        (output,) = outputs_of(self._network, [((None,), rgbs)], self.device, self._amp, self._crf)
        return resize_label(output.label(self._crf), size)


def _crf_parameters(given, device):
    """All parameters of dense_crf. Raises InputError if one of those given is unknown."""
    parameters = DEFAULTS | {"min_probability": 0.0, "backend": "auto"}
    given = given if isinstance(given, dict) else {}
    if unknown := given.keys() - parameters.keys():
        raise InputError(f"dense CRF: expected parameters of {', '.join(parameters)}, found {min(unknown)}")
    parameters |= given
    return parameters | {"backend": choose_backend(parameters["backend"], device.type)}
