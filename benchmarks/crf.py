"""Dense CRF: our lattice against pydensecrf in time, memory and result, and what leaving out classes gains and changes.

python benchmarks/crf.py [--photos FOLDER]                        probabilities drawn, like a DeepLab's and harder ones
python benchmarks/crf.py --data DATA --split NAME --weights FILE  those of a trained DeepLab

Sides take turns on every image, in one thread. Drawn: 21 classes of standard normal logits at an eighth of the image's
size. "DeepLab-like": smoothed by a Gaussian of 3 of these pixels, the background 9 higher, bumps of height 14 for two
classes that are there and of 8 for three that look alike. "hard": smoothed by half a pixel only and nothing added.
"""

import argparse
import re
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from measurement import show

from common.crf.dense import DEFAULTS, choose_backend, dense_crf, likely_classes
from common.files.images import read_rgb

CLASSES = 21
SIZE = (333, 500)
SIDES = ("pydensecrf", "lattice")
MIN_PROBABILITIES = (0.01, 0.05, 0.2)


def parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of JPEGs (default: two drawn images)")
    parser.add_argument("--data", type=Path, help="a data set, for real probabilities")
    parser.add_argument("--split")
    parser.add_argument("--weights", type=Path, help="of seg.train")
    parser.add_argument("--images", type=int, default=5, help="at most")
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts")
    return parser


def drawn_images(size=SIZE):
    """Yields (name, uint8 (H, W, 3)): a smooth image, of few colours, and one with much noise."""
    rng = np.random.default_rng(0)
    for name, noise in (("drawn, smooth", 2), ("drawn, noisy", 12)):
        smooth = cv2.resize(rng.uniform(0, 255, (6, 8, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
        yield name, (smooth + rng.normal(0, noise, smooth.shape)).clip(0, 255).astype(np.uint8)


def draw_probabilities(size, seed, hard):
    """A softmax, float32 (CLASSES, H, W), of logits as described above."""
    return resized_softmax(draw_logits(size, seed, hard), size)


def draw_logits(size, seed, hard, classes=CLASSES):
    """float32 (h, w, classes) at an eighth of the size (H, W), as described above."""
    rng = np.random.default_rng(seed)
    small = [side // 8 + 1 for side in size]
    logits = cv2.GaussianBlur(rng.normal(size=(*small, classes)), (0, 0), 0.5 if hard else 3)
    logits /= logits.std()
    if not hard:
        logits[..., 0] += 9
        y, x = np.mgrid[0 : 1 : 1j * small[0], 0 : 1 : 1j * small[1]]
        for cls, bump in zip(rng.choice(np.arange(1, classes), 5, replace=False), (14, 14, 8, 8, 8)):
            centre_y, centre_x = rng.uniform(0.3, 0.7, 2)
            logits[..., cls] += bump * np.exp(-(((y - centre_y) / 0.2) ** 2) - ((x - centre_x) / 0.2) ** 2)
    return logits.astype(np.float32)


def resized_softmax(logits, size):
    """float32 (h, w, C) -> (C, H, W)."""
    from scipy.special import softmax

    return softmax(cv2.resize(logits, size[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1), axis=0)


def drawn_cases(photos, kind, images):
    """Yields (name, image, probabilities): drawn probabilities of one kind for each photograph or drawn image."""
    if photos is None:
        pictures = drawn_images()
    else:
        pictures = ((path.stem, read_rgb(path)) for path in sorted(photos.glob("*.jpg"))[:images])
    for seed, (name, image) in enumerate(pictures):
        yield name, image, draw_probabilities(image.shape[:2], seed, kind == "hard")


def predicted_cases(args):
    """Yields (name, image, probabilities) of the split's first images, from the network of `args.weights`."""
    import torch

    from common.files.dataset import DataSet
    from common.training import device as devices
    from seg.inference import load_deeplab, logits_of

    dataset, device = DataSet(args.data), devices.select_device("auto")
    network = devices.to_device(load_deeplab(args.weights, classes=len(dataset.classes))[0], device)
    for item in dataset.split(args.split)[: args.images]:
        image = dataset.image(item.id)
        _, logits = logits_of(network, torch.from_numpy(image.copy())[None], device)
        yield item.id, image, resized_softmax(logits[0].permute(1, 2, 0).cpu().numpy(), image.shape[:2])


def seconds_in_turns(functions, rounds):
    """({name: seconds of the fastest call}, {name: the result})."""
    times, results = {name: [] for name in functions}, {}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            results[name] = function()
            times[name].append(time.perf_counter() - start)
    return {name: min(each) for name, each in times.items()}, results


def changed(before, after):
    """Percent of the pixels whose label differs."""
    return 100 * (before.argmax(0) != after.argmax(0)).mean()


def compare_backends(kind, cases, rounds):
    """Shows each image's time, and of all images the largest differences and the largest memory."""
    labels, differences, peaks = [], [], dict.fromkeys(SIDES, 0)
    for name, image, probabilities in cases:
        sides = {side: partial(dense_crf, image, probabilities, **DEFAULTS, backend=side) for side in SIDES}
        seconds, results = seconds_in_turns(sides, rounds)
        size = f"{len(probabilities)} classes, {image.shape[1]}×{image.shape[0]}"
        show("CRF", f"{kind}, {name}, {size}, one core", "s", seconds, at_least=0.5)
        labels.append(changed(*results.values()))
        differences.append(np.abs(np.subtract(*results.values())).max())
        for side, peak in peak_memories(image, probabilities).items():
            peaks[side] = max(peaks[side], peak)
    worst = f"{kind}, worst of {len(labels)} images"
    show("CRF", f"{worst}, pixels of another label than pydensecrf's", "%", {"lattice": max(labels)}, at_most=0.01)
    difference = {"lattice": max(differences)}
    show("CRF", f"{worst}, largest difference from pydensecrf", "probability", difference, at_most=0.01)
    show("CRF", f"{worst}, memory beside inputs and libraries", "MiB", peaks)


def compare_classes(kind, cases, rounds, backend):
    """Shows, for each minimum probability, the mean time of an image with and without it, and the labels it changes."""
    found = {least: [] for least in MIN_PROBABILITIES}
    for _, image, probabilities in cases:
        run = partial(dense_crf, image, probabilities, **DEFAULTS, backend=backend)
        sides = {least: partial(run, min_probability=least) for least in (0, *MIN_PROBABILITIES)}
        seconds, results = seconds_in_turns(sides, rounds)
        for least, rows in found.items():
            left = likely_classes(probabilities, least).sum()
            rows.append((seconds[0], seconds[least], left, changed(results[0], results[least])))
    for least, rows in found.items():
        whole, part, left, share = np.mean(rows, axis=0)
        what = f"{kind}, {backend}, minimum probability {least}"
        sides = {f"all {len(probabilities)} classes": whole, f"{left:.3g} classes left on average": part}
        show("CRF with fewer classes", f"{what}, mean of {len(rows)} images", "s", sides)
        show("CRF with fewer classes", f"{what}, changed labels, mean", "%", {"fewer classes": share})
        worst = max(row[-1] for row in rows)
        show("CRF with fewer classes", f"{what}, changed labels, worst image", "%", {"fewer classes": worst})


def peak_memory(backend, path):
    """MiB that dense_crf takes at most, beside its inputs and the libraries. `path`: of a .npz of both inputs."""
    import torch

    torch.set_num_threads(1)
    small = np.zeros((8, 8, 3), np.uint8), np.full((2, 8, 8), 0.5, np.float32)
    dense_crf(*small, **DEFAULTS, backend=backend)  # whatever is loaded late
    with np.load(path) as file:
        inputs = file["image"], file["probabilities"]
    before = status("VmRSS")
    dense_crf(*inputs, **DEFAULTS, backend=backend)
    return status("VmHWM") - before


def status(field):
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def peak_memories(image, probabilities):
    """{backend: MiB}, each measured in a process of its own."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inputs.npz"
        np.savez(path, image=image, probabilities=probabilities)
        for side in SIDES:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                peaks[side] = pool.submit(peak_memory, side, path).result()
    return peaks


def main(args):
    import torch

    torch.set_num_threads(1)
    if args.weights:
        kinds = {f"{args.data.name}, {args.split}": list(predicted_cases(args))}
    else:
        kinds = {kind: list(drawn_cases(args.photos, kind, args.images)) for kind in ("DeepLab-like", "hard")}
    backends = SIDES if choose_backend("auto") == "pydensecrf" else SIDES[1:]
    for kind, cases in kinds.items():
        if len(backends) == 2:
            compare_backends(kind, cases, args.rounds)
        for backend in backends:
            if kind != "hard":  # where every class is probable somewhere
                compare_classes(kind, cases, args.rounds, backend)


if __name__ == "__main__":
    main(parser().parse_args())
