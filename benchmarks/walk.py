"""IRN's random walk: what it costs beside the published dense form, on one core: python benchmarks/walk.py

An image of 500×375 at stride 4 with 3 classes. The dense form does as the published code: it fills the matrix of all
pairs of pixels (11 750²), squares it 8 times and multiplies the maps by it, which takes minutes; its affinities are
this project's. Each side runs once, in a process of its own: the time that it had a core for, the most memory that it
had beyond that before the walk.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from crf import status
from measurement import show
from torch.nn.functional import pad

from irn.pairs import offsets, pair_affinity
from irn.random_walk import walk

SIZE = (94, 125)
CHANNELS = 3
MANY_CHANNELS = 60  # of 3 classes and 20 groups of pixels, as instances take


def draw(channels, size=SIZE, seed=0):
    """Random maps (1, channels, h, w) and a boundary (1, h, w) that is low in most places, as a trained one."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, *size, generator=generator), torch.rand(1, *size, generator=generator) ** 4


@torch.no_grad()
def dense_walk(maps, boundary, radius=5, beta=10, exponent=8):
    """As irn.random_walk.walk, for a batch of one, by the dense matrix."""
    height, width = boundary.shape[1:]
    reach = radius - 1
    affinity = pair_affinity(pad(boundary, (reach, reach, 0, reach), value=1.0), radius)[0]  # (P, h, w)
    matrix = torch.eye(height * width)
    pixels = torch.arange(height * width).view(height, width)
    for (row, column), weight in zip(offsets(radius), affinity.pow_(beta)):
        left, right = max(0, -column), width - max(0, column)
        here = pixels[: height - row, left:right].flatten()
        there = pixels[row:, left + column : right + column].flatten()
        matrix[here, there] = matrix[there, here] = weight[: height - row, left:right].flatten()
    matrix /= matrix.sum(0)
    for _ in range(exponent):
        matrix = matrix @ matrix
    return ((maps * (1 - boundary)).flatten(2) @ matrix).view(maps.shape)


SIDES = {"dense": dense_walk, "sparse": walk}


def run(side, channels, path):
    """Seconds of the core and MiB of one walk, whose maps go to `path`; in a process of its own."""
    torch.set_num_threads(1)
    SIDES[side](*draw(1, (8, 8)))  # whatever is loaded late
    inputs = draw(channels)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM, the largest memory, counts from here, not from the imports
    before = status("VmRSS")
    start = time.process_time()
    result = SIDES[side](*inputs)
    seconds = time.process_time() - start
    torch.save(result, path)
    return seconds, status("VmHWM") - before


def measure(side, channels, path):
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(run, side, channels, path).result()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = {side: Path(folder) / f"{side}.pth" for side in SIDES}
        found = {side: measure(side, CHANNELS, path) for side, path in paths.items()}
        dense, sparse = (torch.load(path, weights_only=True) for path in paths.values())
        many_seconds, many_memory = measure("sparse", MANY_CHANNELS, paths["sparse"])
    seconds, memory = ({side: each[i] for side, each in found.items()} for i in (0, 1))
    difference = ((dense - sparse).abs() / sparse).max().item()
    few, many = (f"{SIZE[1]}×{SIZE[0]}, {channels} maps, one core" for channels in (CHANNELS, MANY_CHANNELS))
    show("Random walk", few, "s", seconds, at_most=1)
    show("Random walk", f"{few}, memory beside inputs and libraries", "MiB", memory, at_most=200)
    show("Random walk", f"{few}, largest difference from the dense form", "% of a value", {"sparse": 100 * difference})
    show("Random walk", many, "s", {"sparse": many_seconds})
    show("Random walk", f"{many}, memory beside inputs and libraries", "MiB", {"sparse": many_memory})


if __name__ == "__main__":
    main()
