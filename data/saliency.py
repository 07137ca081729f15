"""Makes saliency maps with U²-Net for the images of a data set: <data>/saliency/<id>.png for each that has none.

A map holds the network's own values, 0 to 1 as 0 to 255. Unlike rembg's, it is not stretched to its own range, so an
image with nothing salient gets a dark map. --weights is an ONNX file, as weights.fetch u2net fetches one; onnxruntime
runs it (pip install onnxruntime), on the GPU if it is onnxruntime-gpu. Images that cannot be read are named at the end.
If the command is interrupted, it resumes where it stopped. docs/saliency.md says what to mind.

U²-Net: Qin et al., Pattern Recognition 2020, trained on DUTS.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import is_complete, write_grey
from stages import interruption
from stages.command import HelpFormatter, exit_on_input_error
from stages.files import InputError, cite
from stages.parallel import map_each

# How a network takes images: the side of its squares, and the mean and deviation of red, green and blue (0 to 1).
FORMS = {"u2net": (320, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}  # u2netp and silueta, too


class Detector:
    """The salient-object detector in an ONNX file, which takes images in the form of `network`, one of FORMS.

    Raises InputError if the file is missing or holds no network, or if onnxruntime is not installed.
    """

    def __init__(self, path: Path, network: str):
        if not path.is_file():
            raise InputError(f"{path}: no such file; python -m weights.fetch u2net fetches U²-Net's")
        try:
            import onnxruntime
        except ImportError:
            raise InputError("onnxruntime is not installed: pip install onnxruntime, or onnxruntime-gpu") from None
        available = onnxruntime.get_available_providers()
        providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
        if "CUDAExecutionProvider" in available:
            onnxruntime.preload_dlls()  # CUDA, as pip installs it with PyTorch; without it the CPU is taken
        try:
            self.session = onnxruntime.InferenceSession(path, providers=providers)
        except Exception:  # onnxruntime raises classes of its own
            raise InputError(f"{path}: expected a network in ONNX format") from None
        if self.session.get_providers()[0] != providers[0]:
            print("data.saliency: onnxruntime cannot use the GPU, and takes the CPU", file=sys.stderr)
        self.path = path
        self.side, self.mean, self.std = FORMS[network]

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """The network's input, float32 (1, 3, side, side), of an image, uint8 (H, W, 3).

        As in rembg, the image is divided by its largest value.
        """
        square = np.float32(Image.fromarray(rgb).resize((self.side, self.side), Image.Resampling.LANCZOS))
        square /= max(square.max(), 1e-6)
        return ((square - np.float32(self.mean)) / np.float32(self.std)).transpose(2, 0, 1)[None]

    def saliency(self, rgb: np.ndarray) -> np.ndarray:
        """Saliency map, uint8 (H, W), of an image, uint8 (H, W, 3).

        Raises InputError if the network takes other input or gives no map of 0 to 1.
        """
        try:
            values = self.session.run(None, {self.session.get_inputs()[0].name: self.prepare(rgb)})[0]
        except Exception as error:
            raise InputError(f"{self.path}: {' '.join(str(error).split())}") from None
        is_map = values.shape == (1, 1, self.side, self.side)
        if not (is_map and -0.001 < values.min() and values.max() < 1.001):  # U²-Net's exceed 1 by rounding errors
            raise InputError(f"{self.path}: expected a network whose first output is a map of values from 0 to 1")
        height, width = rgb.shape[:2]
        return np.uint8(np.round(255 * cv2.resize(values[0, 0].clip(0, 1), (width, height))))


def listed_ids(dataset: DataSet, split: str | None) -> list[str]:
    """The ids in the list `split`, or in all lists of a data set, sorted. Raises InputError if there is no list."""
    names = [split] if split else [path.stem for path in (dataset.root / "lists").glob("*.txt")]
    if not names:
        raise InputError(f"{dataset.root / 'lists'}: expected at least one list")
    return sorted({item.id for name in names for item in dataset.split(name)})


def write_map(detector: Detector, dataset: DataSet, id: str) -> str | None:
    """Write the saliency map of an image. Returns what is wrong with an image that cannot be read."""
    try:
        rgb = dataset.image(id)
    except InputError as error:
        return str(error)
    write_grey(dataset.saliency_path(id), detector.saliency(rgb))
    return None


def run(args: argparse.Namespace) -> str:
    """Write the maps that are missing; returns a summary. Raises InputError, at the end, if images cannot be read."""
    dataset, folder = DataSet(args.data), args.data / "saliency"
    todo = [id for id in listed_ids(dataset, args.split) if not is_complete(dataset.saliency_path(id))]
    if not todo:
        return f"{folder} is complete, nothing to do"
    if folder.is_symlink():
        raise InputError(f"{folder}: expected a folder to write to, found a link to {folder.readlink()}")
    detector = Detector(args.weights, args.network)
    folder.mkdir(exist_ok=True)
    results = map_each(partial(write_map, detector, dataset), todo, 0, "saliency")
    if faults := [fault for fault in results if fault]:
        raise InputError(f"{len(faults)} of {len(todo)} images have no map: {cite(faults, '; ')}")
    return f"{len(todo)} maps -> {folder}"


def main():
    parser = argparse.ArgumentParser("python -m data.saliency", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set folder (layout: docs/data.md)")
    parser.add_argument("--split", help="make maps for lists/<split>.txt alone; only training images need maps")
    parser.add_argument("--weights", type=Path, required=True, help="the network, an ONNX file")
    parser.add_argument("--network", choices=list(FORMS), default="u2net", help="the form in which it takes images")
    args = parser.parse_args()
    interruption.listen()
    with exit_on_input_error("data.saliency"):
        print(f"data.saliency: {run(args)}")


if __name__ == "__main__":
    main()
