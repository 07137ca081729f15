"""Whether IRN's walk and instances are on a GPU what they are on a CPU, and how fast, for benchmarks/gpu_check.py."""

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
import trainings
from measurement import checked, measured
from torch.nn.functional import interpolate

from common import checkpoint
from common.images import read_indexed
from irn import instances
from irn import walk as labels
from irn.grouping import centroids
from irn.model import build
from irn.random_walk import walk

SIZE, IMAGES, CLASSES = (94, 125), 16, 3  # the maps of images of 500×375
PIECES = 60  # of 3 classes and 20 groups of pixels of one image
THIN_SIZE, THIN_IMAGES = (24, 32), 2
CPU = torch.device("cpu")


def check(place, _):
    """The walk and the centroids of a batch, and both commands, small network and all, from start to end."""
    size, images = (THIN_SIZE, THIN_IMAGES) if place.thin else (SIZE, IMAGES)
    text = f"{images} images, maps of {size[1]}×{size[0]}"
    yield from walks(place, images, size, text)
    yield from ends(place, images, size, text)
    yield from commands(place)


def milliseconds(device, function, *inputs):
    """(result, median ms) of five calls, after one that does not count."""
    times = []
    for _ in range(6):
        trainings.wait(device)
        start = time.perf_counter()
        found = function(*inputs)
        trainings.wait(device)
        times.append(1e3 * (time.perf_counter() - start))
    return found, median(times[1:])


def walks(place, images, size, text):
    """Random maps, and a boundary that is low in most places, as a trained one."""
    generator = torch.Generator().manual_seed(0)
    maps, boundary = (torch.rand(images, *shape, generator=generator) for shape in ((CLASSES, *size), size))
    pieces = torch.rand(1, PIECES, *size, generator=generator)
    boundary = boundary**4
    for what, *inputs in (
        (f"{text}, {CLASSES} classes", maps, boundary),
        (f"an image of {PIECES} pieces, maps of {size[1]}×{size[0]}", pieces, boundary[:1]),
    ):
        expected = walk(*inputs)
        found, time_of_one = milliseconds(place.device, walk, *(each.to(place.device) for each in inputs))
        apart = ((found.cpu() - expected).abs() / expected).max().item()
        found = f"at most {apart:.1e} of a value apart"
        yield checked("IRN", f"random walk as on the CPU, {what}", apart < 1e-4, found)
        yield measured("IRN", f"random walk, {what}", "ms", {place.device.type: time_of_one})


def drawn_displacements(images, size):
    """Displacements to the nearest of four centres, not quite exact, as a network's: float32 (images, 2, h, w)."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.stack(torch.meshgrid(*map(torch.arange, size), indexing="ij")).float()  # (2, h, w)
    centres = torch.rand(images, 4, 2, generator=generator) * (torch.tensor(size) - 1)
    ways = centres[:, :, :, None, None] - pixels  # (images, 4, 2, h, w)
    nearest = ways.norm(dim=2).argmin(1)[:, None, None].expand(-1, 1, 2, -1, -1)
    errors = interpolate(torch.randn(images, 2, 6, 8, generator=generator), size, mode="bilinear")
    return ways.gather(1, nearest)[:, 0] + errors


def ends(place, images, size, text):
    """Where the pixels end that follow the displacements."""
    displacement = drawn_displacements(images, size)
    expected = centroids(displacement)
    found, time_of_one = milliseconds(place.device, centroids, displacement.to(place.device))
    same = 100 * (found.cpu() == expected).all(1).float().mean().item()
    yield checked("IRN", f"centroids as on the CPU, {text}", same >= 99.9, f"{same:.3f} % of the pixels")
    yield measured("IRN", f"centroids, {text}", "ms", {place.device.type: time_of_one})


def commands(place):
    """The commands irn.walk and irn.instances on the list few, in float32, with a small network of random weights."""
    arch = {"network": "irn", "backbone": "resnet50", "blocks": [1, 1, 1, 1], "width": 4, "branch_width": 4}
    arch["crop_size"] = 64 if place.thin else 512
    torch.manual_seed(0)
    weights = place.root / "irn.pth"
    checkpoint.save(weights, arch=arch, state_dict=build(**arch).state_dict())
    for command in (labels, instances):
        with tempfile.TemporaryDirectory() as folder:
            found, expected = (Path(folder, name) for name in ("device", "cpu"))
            seconds = run(place, command, weights, place.device, found)
            run(place, command, weights, CPU, expected)
            ids = [path.name for path in sorted(expected.glob("*.png"))]
            same = 100 * np.mean([read_indexed(found / id) == read_indexed(expected / id) for id in ids])
        name = f"{command.__name__}, {len(ids)} images from start to end"
        yield checked("IRN", f"{name}, as on the CPU", ids and same >= 99.9, f"{same:.3f} % of the pixels")
        yield measured("IRN", name, "s", {place.device.type: seconds})


def run(place, command, weights, device, out):
    """Seconds that a command takes in this process, which writes to `out`."""
    options = ("--data", place.root / "data", "--split", "few", "--maps", place.root / "cam_32x32", "--out", out)
    options += ("--weights", weights, "--device", device, "--no-amp", "--no-tf32", "--workers", 0)
    args = command.parser().parse_args([str(option) for option in options])
    out.mkdir()
    start = time.perf_counter()
    command.run(args)
    return time.perf_counter() - start
