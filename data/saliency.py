"""Make saliency maps of a data set's images with U²-Net: <data>/saliency/<id>.png, for each image that has none.

Each map holds the network's own values, 0 to 1 as 0 to 255: unlike rembg, nothing is stretched to the range of its
image, so that an image with nothing salient gets a dark map. The network is an ONNX file (weights.fetch u2net) and
runs by onnxruntime, on the GPU where it is installed as onnxruntime-gpu. The command may be stopped at any time and
resumes. docs/saliency.md says what to mind.

U²-Net: Qin et al., Pattern Recognition 2020, trained on DUTS.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import is_complete, write_grey
from stages import interruption
from stages.command import HelpFormatter, exit_on_input_error
from stages.files import InputError
from stages.parallel import add_workers_argument, for_each

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])  # ImageNet's


class Network(NamedTuple):
    """How a network takes its images; those of the same kind share an entry."""

    side: int  # of the square input, in pixels


NETWORKS = {"u2net": Network(320)}  # with u2netp and silueta


def prepare(rgb: np.ndarray, side: int) -> np.ndarray:
    """The network's input, float32 (1, 3, side, side), of an image uint8 (H, W, 3), as rembg makes it."""
    square = np.float32(Image.fromarray(rgb).resize((side, side), Image.Resampling.LANCZOS))
    return ((square / max(square.max(), 1e-6) - MEAN) / STD).transpose(2, 0, 1)[None]


def to_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Saliency map, uint8 (H, W) of `size`, of a network's output, float32 (h, w) of 0 to 1."""
    return np.uint8(np.round(255 * cv2.resize(values.clip(0, 1), size[::-1], interpolation=cv2.INTER_LINEAR)))


def load(path: Path):
    """An onnxruntime.InferenceSession of an ONNX file. Raises InputError if the file or the package is missing."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError("onnxruntime is not installed: pip install onnxruntime, or onnxruntime-gpu") from None
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    if not path.is_file():
        raise InputError(f"{path}: no such file; python -m weights.fetch u2net fetches it")
    try:
        return onnxruntime.InferenceSession(path, providers=providers)
    except Exception:  # of a damaged file, classes of onnxruntime's own
        raise InputError(f"{path}: expected a network in ONNX's format") from None


def saliency(session, network: Network, rgb: np.ndarray) -> np.ndarray:
    """Saliency map, uint8 (H, W), of an image uint8 (H, W, 3). Raises InputError if the network is of another kind."""
    feed = {session.get_inputs()[0].name: prepare(rgb, network.side)}
    try:
        values = session.run(None, feed)[0]
    except Exception as error:
        raise InputError(f"--weights: {' '.join(str(error).split())}") from None
    if values.shape != (1, 1, network.side, network.side) or not (
        values.min() > -0.001 and values.max() < 1.001
    ):  # rounded
        raise InputError("--weights: expected a network whose first output is a map of values from 0 to 1")
    return to_map(values[0, 0], rgb.shape[:2])


def listed_images(dataset: DataSet, split: str | None) -> list[str]:
    """The ids in the list `split`, or in all lists of the data set, in alphabetical order."""
    names = [split] if split else sorted(path.stem for path in (dataset.root / "lists").glob("*.txt"))
    if not names:
        raise InputError(f"{dataset.root}/lists: expected at least one list")
    return sorted({item.id for name in names for item in dataset.split(name)})


def make_maps(session, network: Network, dataset: DataSet, ids: list[str], damaged: list[str]) -> Iterator[tuple]:
    """Yield (id, map); the errors of images that cannot be read are added to `damaged`."""
    for id in ids:
        try:
            rgb = dataset.image(id)
        except InputError as error:
            damaged.append(str(error))
        else:
            yield id, saliency(session, network, rgb)


def write(folder: Path, pair: tuple[str, np.ndarray]) -> None:
    id, map_ = pair
    write_grey(folder / f"{id}.png", map_)


def run(args: argparse.Namespace) -> str:
    """Write the maps that are missing; returns a summary. Raises InputError, at the end, if images were damaged."""
    dataset = DataSet(args.data)
    folder = dataset.root / "saliency"
    if folder.is_symlink():
        raise InputError(f"{folder}: is a link to {folder.readlink()}, in which nothing is written; delete it first")
    todo = [id for id in listed_images(dataset, args.split) if not is_complete(folder / f"{id}.png")]
    if todo:
        session, damaged = load(args.weights), []
        folder.mkdir(exist_ok=True)
        maps = make_maps(session, NETWORKS[args.network], dataset, todo, damaged)
        for _ in for_each(partial(write, folder), maps, args.workers, "saliency", len(todo)):
            pass
        if damaged:
            raise InputError(f"{len(damaged)} of {len(todo)} images have no map: {'; '.join(damaged[:3])}")
    return f"{len(todo)} new maps in {folder}"


def main():
    parser = argparse.ArgumentParser("python -m data.saliency", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set folder (layout: docs/data.md)")
    parser.add_argument("--split", help="a list of the data set, lists/<split>.txt; without, the images of all lists")
    parser.add_argument("--weights", type=Path, required=True, help="the network as an ONNX file: weights.fetch u2net")
    parser.add_argument("--network", choices=list(NETWORKS), default="u2net", help="how the file takes its images")
    add_workers_argument(parser)
    args = parser.parse_args()
    interruption.listen()
    with exit_on_input_error("data.saliency"):
        print(f"data.saliency: {run(args)}")


if __name__ == "__main__":
    main()
