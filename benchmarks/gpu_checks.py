"""The checks of gpu_check.py: generators of lines (see measurement.py) from a Place and what is to be checked."""

import importlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import torch
import trainings
from crf import draw_probabilities
from draw import SIZE, cut_photographs, draw_data
from gpu_processes import determinism, two_processes
from measurement import ROOT, measured, seconds

from cls.model import build
from common.crf.dense import DEFAULTS, dense_crf
from common.files.images import read_rgb
from common.training import checkpoint
from common.training import device as devices
from stages.parallel import cores, machine_memory

# The paper's run, with ResNet-101 and CRF (paper 4.1): train_aug and val of VOC 2012
TRAIN, VAL, EPOCHS, CLS_BATCH, ITERATIONS, SEG_BATCH = 10_582, 1_449, 14, 5, 10_000, 10
MAIN = ("cls.train", "fbr.train", "seg.train ResNet-101", "irn.train")
MORE = ("cls.train ResNet-50", "fbr.train_amn")  # FBR's setting I
CAM, PREDICTION = "cls.infer", "seg.predict ResNet-101 with CRF"
LONGEST = 60  # seconds that a prediction is watched


class Place(NamedTuple):
    """Where and how large: drawn data with the lists half, all, few and photographs; tiny networks, for a CPU."""

    root: Path
    device: torch.device
    thin: bool

    @property
    def size(self):
        """(H, W) of the images."""
        return (96, 128) if self.thin else SIZE

    def training(self, name, *options):
        """(module, arguments) of a training by its name, without processes that read, see trainings.commands."""
        module, arguments = trainings.commands(self.root, "half", self.thin)[name]
        return module, (*arguments, "--workers", 0, *options)

    def photograph(self):
        """uint8 (H, W, 3)"""
        return read_rgb(self.root / "data/JPEGImages/photograph0000.jpg")


def prepare(root, thin):
    """Draw the data of all checks. Returns their Place."""
    cv2.setNumThreads(0)  # loader processes are forked, without the threads that OpenCV would have here
    place = Place(root, devices.select_device("auto"), thin)
    draw_data(root, 20 if thin else 80, place.size)
    cut_photographs(root, 12 if thin else 1000, place.size)
    images = (root / "data/lists/all.txt").read_text().splitlines(keepends=True)
    (root / "data/lists/few.txt").write_text("".join(images[:7]))
    trainings.write_resnet(root / "resnet.pth", thin)
    arch = {"network": "classifier", "classes": 20, **({"channels": [4] * 5} if thin else {})}
    checkpoint.save(root / "cls.pth", arch=arch, state_dict=build(**arch).state_dict())
    return place


def machine(place):
    """The line of versions, cores, memory, and the shared memory through which loader processes pass images."""
    versions = f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    shared = os.statvfs("/dev/shm")  # noqa: S108
    sides = {"cores": cores(), "GiB of memory": machine_memory() / 2**30}
    sides["GiB of /dev/shm"] = shared.f_bavail * shared.f_frsize / 2**30
    return measured("Machine", f"{place.device}, {versions}, Python {platform.python_version()}", "", sides)


def waits(place, name):
    """Steps of a training, over all of its epochs, in which this process never waits for the GPU."""
    if place.device.type == "cuda":
        measure = partial(trainings.waiting, warm=1, steps=25)
        places = trainings.run(place.training(name), place.device, measure)
        note = " ".join(sorted(set(places)))
        yield measured("Calls that wait for the GPU", name, "in 25 steps", {"calls": len(places)}, at_most=0, note=note)


def steps(place, name, mode="bfloat16"):
    """The time of a training's step, and the GPU's memory."""
    warm, count = (1, 2) if place.thin else (12, 30) if mode == "bfloat16" else (4, 8)
    measure = partial(trainings.timed, warm=warm, steps=count)
    command = place.training(name, *trainings.MODES[mode])
    milliseconds, memory = trainings.run(command, place.device, measure)
    what = f"{name}, {mode}"
    yield measured("Step times", what, "ms/step", {place.device.type: milliseconds})
    if memory:
        yield measured("Peak memory of a training", what, "GiB", {"GPU": memory})


def profile(place, name):
    """The kernels that the GPU runs in a step, and their time: of three steps in bfloat16."""
    measure = partial(trainings.timed, warm=1 if place.thin else 12, steps=1 if place.thin else 10, profile=True)
    command = place.training(name, *trainings.MODES["bfloat16"])
    milliseconds, _, kernels = trainings.run(command, place.device, measure)
    sums = {kernel[:90]: total / trainings.PROFILED for kernel, total in kernels.items()}
    longest = dict(sorted(sums.items(), key=lambda pair: -pair[1])[:10])
    yield measured("Profile", name, "ms", {"kernels": sum(sums.values()), "wall time": milliseconds})
    yield measured("Profile", f"{name}, the ten longest kernels", "ms", longest)


def crf_of(place, classes, device=None, **changes):
    """A function that computes the dense CRF of a photograph with DeepLab-like probabilities."""
    photo = place.photograph()
    probabilities = draw_probabilities(photo.shape[:2], 0, classes)
    inputs = [torch.tensor(array, device=device or place.device) for array in (photo, probabilities)]
    return partial(dense_crf, *inputs, **DEFAULTS | changes, backend="lattice")


def crf(place, classes):
    """Dense CRF of a photograph where the logits are: setting up the lattice, iterations; labels as on the CPU."""
    count = 2 if place.thin else 11
    setup, whole = (1e3 * seconds(crf_of(place, classes, **how), count) for how in ({"iterations": 0}, {}))
    name = f"a photograph of {place.size[1]}×{place.size[0]}, {classes} classes"
    sides = {"setting up": setup, "10 iterations": whole - setup, "together": whole}
    yield measured("Dense CRF", name, "ms/image", sides)
    result, expected = crf_of(place, classes)(), crf_of(place, classes, "cpu")()
    other = 100 * (result.argmax(0).cpu() != expected.argmax(0)).float().mean().item()
    yield measured("Dense CRF", f"{name}, labels other than on the CPU", "%", {"lattice": other}, at_most=0.01)


def prediction(place, name):
    """Images a second of a command that runs as a user starts it, from the times of the files that it writes."""
    iterations = ("--crf-iterations", 1) if place.thin else ()
    module, weights, options = {
        CAM: (CAM, "cls.pth", ()),
        PREDICTION: ("seg.predict", "resnet.pth", ("--crf", "--crf-backend", "lattice", *iterations)),
    }[name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        options = ("--data", place.root / "data", "--split", "photographs", "--weights", place.root / weights, *options)
        watch(module, *options, "--out", out, "--device", place.device)
        written = sorted(path.stat().st_mtime for path in out.glob("*.png"))
    count = 3 * len(written) // 4  # the first quarter is for what happens once
    if count < 8:
        raise RuntimeError(f"{name}: {len(written)} images in {LONGEST} s: no measurement")
    speed = count / max(written[-1] - written[-1 - count], 1e-3)
    yield measured("Prediction", name, "images/s", {f"{len(written)} photographs": speed})


def watch(module, *options):
    """Run a command until it ends, LONGEST seconds at most. Raises RuntimeError if it fails."""
    command = [sys.executable, "-m", module, *map(str, options)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LONGEST)
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"{module}: status {process.returncode}: {errors.read()[-1500:]}")
        finally:
            process.terminate()  # it ends after the image that it is at
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def loaders(place, name):
    """The speed of reading and augmenting images with as many processes as the command takes."""
    module, arguments = place.training(name)
    workers = 1 if place.thin else importlib.import_module(module).parser().get_default("workers")
    arguments += ("--iterations" if module == "seg.train" else "--epochs", 10_000, "--workers", workers)
    speed = trainings.run((module, arguments), place.device, partial(reading, place.thin))
    yield measured("Reading images", name, "images/s", {f"{workers} processes": speed})


def reading(thin, run, loader):
    """For trainings.run, without a step: images a second in three seconds, after two batches for each process."""
    batches, images = iter(loader), 0
    for _ in range(2 * max(1, loader.num_workers)):
        next(batches)
    start = time.perf_counter()
    while time.perf_counter() - start < (0.2 if thin else 3):
        images += len(next(batches)["index"])
    return images / (time.perf_counter() - start)
    yield  # a generator, as all that trainings.run takes


def whole_run(lines):
    """The line of the paper's whole run, from the lines of what has been measured, or None; it names what has not."""
    found = {(line["section"], line["what"]): list(line["sides"].values()) for line in lines}
    minutes, lacking = {}, []
    for name, steps, batch in (
        ("cls.train", EPOCHS * -(-TRAIN // CLS_BATCH), CLS_BATCH),
        ("cls.train_iam", EPOCHS * -(-TRAIN // CLS_BATCH), CLS_BATCH),
        ("seg.train ResNet-101", 2 * ITERATIONS, SEG_BATCH),
    ):
        step = found.get(("Step times", f"{name}, bfloat16"))
        speeds = found.get(("Reading images", name))
        if step:  # the loader works at the same time
            minutes[name] = steps * max(step[0] / 1e3, batch / max(speeds) if speeds else 0) / 60
        lacking += [] if step else [name]
        lacking += [] if speeds else [f"{name}'s reading of images"]
    for name, images in ((CAM, 2 * TRAIN), (PREDICTION, TRAIN + 2 * VAL)):
        if speed := found.get(("Prediction", name)):
            minutes[name] = images / speed[0] / 60
        lacking += [] if speed else [name]
    if not minutes:
        return None
    sides = {**minutes, "together": sum(minutes.values())}
    note = f"without {', '.join([*lacking, 'starting, the label stages, evaluation'])}"
    return measured("The paper's run, extrapolated", "both rounds with ResNet-101 and CRF", "minutes", sides, note=note)


class Check(NamedTuple):
    """A check of gpu_check.py: its name for --only, the generator of its lines, and what that takes beside the Place.

    `seconds`: what it takes on an H200, estimated; with less time left it is left out.
    """

    name: str
    function: Callable[..., Iterator[dict]]
    arguments: tuple
    seconds: float

    def __str__(self):
        return " ".join(map(str, (self.function.__name__, *self.arguments)))


def each(name, function, seconds, whats):
    """A check of each of `whats`."""
    return [Check(name, function, what if isinstance(what, tuple) else (what,), seconds) for what in whats]


FIRST = [
    *each("waits", waits, 15, MAIN),
    *each("steps", steps, 15, MAIN),
    *each("profile", profile, 15, MAIN),
    *each("crf", crf, 10, (21, 6)),
    *each("prediction", prediction, 40, [PREDICTION]),
    *each("loaders", loaders, 12, MAIN),
    # what the whole run lacks, and then what is good to know
    *each("rest", steps, 10, ["cls.train_iam"]),
    *each("rest", loaders, 12, ["cls.train_iam"]),
    *each("rest", prediction, 20, [CAM]),
    *each("rest", steps, 10, [(name, mode) for mode in ("float32", "TF32") for name in MAIN]),
    *each("rest", steps, 10, ["seg.train VGG16"]),
    *each("rest", waits, 15, MORE),
]
SECOND = [
    *each("processes", two_processes, 15, MAIN[1:] + MAIN[:1] + MORE[:1]),
    *each("determinism", determinism, 30, ("fbr.train_amn", "fbr.train", "seg.train VGG16")),  # random draws, dropout
]
