"""Dense CRF: our lattice against pydensecrf in time, memory and result, and the gain and cost of leaving out classes.

python benchmarks/crf.py [--photos FOLDER] [--classes 81 --size 480 640]

In one thread. The probabilities are the softmax of normal logits, drawn at an eighth of the image's size and smoothed
by a Gaussian of 3 of these pixels, the background 9 higher, with bumps of height 14 for two classes in the image and
of 8 for three that look alike, as a DeepLab's would be.
"""

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from measurement import alone, seconds, show, status

from common.crf.dense import DEFAULTS, choose_backend, dense_crf, likely_classes
from common.files.images import read_rgb

MIN_PROBABILITIES = (0.01, 0.05, 0.2)


def drawn_images(size):
    """Yields (name, uint8 (H, W, 3)): a smooth image, of few colours, and a noisy one."""
    rng = np.random.default_rng(0)
    for name, noise in (("drawn, smooth", 2), ("drawn, noisy", 12)):
        smooth = cv2.resize(rng.uniform(0, 255, (6, 8, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
        yield name, (smooth + rng.normal(0, noise, smooth.shape)).clip(0, 255).astype(np.uint8)


def draw_probabilities(size, seed, classes=21):
    """float32 (classes, H, W), as described above."""
    from scipy.special import softmax

    rng = np.random.default_rng(seed)
    small = [side // 8 + 1 for side in size]
    logits = cv2.GaussianBlur(rng.normal(size=(*small, classes)), (0, 0), 3)
    logits /= logits.std()
    logits[..., 0] += 9
    y, x = np.mgrid[0 : 1 : 1j * small[0], 0 : 1 : 1j * small[1]]
    for cls, bump in zip(rng.choice(np.arange(1, classes), 5, replace=False), (14, 14, 8, 8, 8)):
        centre_y, centre_x = rng.uniform(0.3, 0.7, 2)
        logits[..., cls] += bump * np.exp(-(((y - centre_y) / 0.2) ** 2) - ((x - centre_x) / 0.2) ** 2)
    logits = cv2.resize(logits.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return softmax(logits.transpose(2, 0, 1), axis=0)


def changed(before, after):
    """Percent of the pixels whose label differs."""
    return 100 * (before.argmax(0) != after.argmax(0)).mean()


def peak_memory(backend, image, probabilities, least):
    """MiB that dense_crf takes at most, beside its inputs and the libraries; in a process of its own."""
    torch.set_num_threads(1)
    small = np.zeros((8, 8, 3), np.uint8), np.full((2, 8, 8), 0.5, np.float32)
    dense_crf(*small, **DEFAULTS, backend=backend)  # whatever is loaded late
    before = status("VmRSS")
    dense_crf(image, probabilities, **DEFAULTS, backend=backend, min_probability=least)
    return status("VmHWM") - before


def measure(name, image, probabilities, rounds):
    """Show time, memory and labels of an image by each backend, with all classes and with fewer."""
    backends = ["pydensecrf", "lattice"] if choose_backend("auto") == "pydensecrf" else ["lattice"]
    what = f"{name}, {len(probabilities)} classes, {image.shape[1]}×{image.shape[0]}, one core"
    crf = {side: partial(dense_crf, image, probabilities, **DEFAULTS, backend=side) for side in backends}
    results = {side: crf[side]() for side in backends}
    times = {side: seconds(crf[side], rounds) for side in backends}
    peaks = {side: alone(peak_memory, side, image, probabilities, 0) for side in backends}
    show("CRF", what, "s", times, at_least=0.5 if len(backends) == 2 else None)
    show("CRF", f"{what}, memory beside inputs and libraries", "MiB", peaks)
    if len(backends) == 2:
        other = {"lattice": changed(*results.values())}
        show("CRF", f"{what}, pixels of another label than pydensecrf's", "%", other, at_most=0.01)
    for side in backends:
        for least in MIN_PROBABILITIES:
            part, key = partial(crf[side], min_probability=least), f"{what}, {side}, minimum probability {least}"
            left = f"{likely_classes(probabilities, least).sum()} classes left"
            show("CRF with fewer classes", key, "s", {"all": times[side], left: seconds(part, rounds)})
            memory = {"all": peaks[side], left: alone(peak_memory, side, image, probabilities, least)}
            show("CRF with fewer classes", key, "MiB", memory)
            share = {"fewer classes": changed(results[side], part())}
            show("CRF with fewer classes", f"{key}, changed labels", "%", share)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of JPEGs, at most five (default: two drawn images)")
    parser.add_argument("--classes", type=int, default=21, help="with background")
    parser.add_argument("--size", type=int, nargs=2, default=[333, 500], metavar=("H", "W"), help="of drawn images")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pictures = drawn_images(tuple(args.size))
    if args.photos:
        pictures = ((path.stem, read_rgb(path)) for path in sorted(args.photos.glob("*.jpg"))[:5])
    for seed, (name, image) in enumerate(pictures):
        measure(name, image, draw_probabilities(image.shape[:2], seed, args.classes), args.rounds)


if __name__ == "__main__":
    main()
