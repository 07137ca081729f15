"""The trainings as their commands set them up, with real networks, optimisers, steps and images, to be measured.

A command runs with its own loop, whose common.training.Run then gets batches that have been read already.
"""

import importlib
import sys
import time
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest import mock

import torch
from measurement import ROOT  # noqa: F401  (makes the packages importable)

from common import checkpoint, training
from seg.deeplab import build

SYNCHRONISING = "called a synchronizing CUDA operation"  # PyTorch's words under set_sync_debug_mode
THIN_VGG = ("--channels", 4, 4, 4, 4, 4)
THIN_RESNET = ("--blocks", 1, 1, 1, 1, "--width", 4)
THIN_IRN = ("--branch-width", 4, "--crop-size", 64, "--radius", 5)
MODES = {"bfloat16": ("--amp",), "TF32": ("--no-amp",), "float32": ("--no-amp", "--no-tf32")}


def commands(root, split="val", thin=False):
    """{name: (module, arguments)} of the trainings at the paper's sizes, on the data of draw.py in `root`.

    `thin` leaves the classifier's images large and makes the rest tiny. The ResNet starts from <root>/resnet.pth, see
    `write_resnet`, with batch norm frozen, as from COCO's weights.
    """
    data = ("--data", root / "data", "--split", split, "--lr", 1e-6)
    vgg, resnet, fc = (THIN_VGG, THIN_RESNET, ("--fc-channels", 4)) if thin else ((), (), ())
    crops = (*data, "--labels", root / "pred", *(("--batch-size", 2, "--crop-size", 65) if thin else ()))
    cls = (*data, *vgg, "--epochs", 3)
    irn = (*data, "--seeds", root / "pred", "--split", "all")  # of val the batches would not be full
    irn += (*resnet, *THIN_IRN, "--batch-size", 2) if thin else ()
    return {
        "cls.train": ("cls.train", cls),
        "cls.train_fbr": ("cls.train_fbr", cls),
        "cls.train_iam": ("cls.train_iam", (*cls, "--attention", root / "oa_cam_32x32")),
        "seg.train ResNet-101": (
            "seg.train",
            (*crops, *resnet, "--init", root / "resnet.pth", "--convention", "caffe"),
        ),
        "seg.train VGG16": ("seg.train", (*crops, "--backbone", "vgg16", *vgg, *fc)),
        "irn.train": ("irn.train", irn),
    }


def write_resnet(path, thin=False, classes=20):
    """A DeepLab ResNet-101 of random weights that can be trained with frozen batch norm: its residuals start at 0."""
    sizes = {"blocks": [1, 1, 1, 1], "width": 4} if thin else {}
    arch = {"backbone": "resnet101", "classes": classes, "convention": "caffe", **sizes}
    network = build(**arch)
    for name, layer in network.named_modules():
        if name.endswith("increase.bn"):
            torch.nn.init.zeros_(layer.weight)  # else they would add up over 33 blocks, and overflow
    checkpoint.save(path, arch=arch, state_dict=network.state_dict())


class Reached(Exception):
    """The command has come to its loop."""


class Training:
    """A training before its loop: its Run, and what calls its command's loop; see set_up."""

    def __init__(self, module, arguments, out, device):
        self.command = importlib.import_module(module)
        options = (*arguments, "--out", out, "--device", device)
        self.args = self.command.parser().parse_args([str(option) for option in options])

    def run(self, wrap):
        """Runs the command, up to the end of its loop, with `wrap(run)` for its training.Run before the loop begins."""
        enter = training.Run.__enter__

        def entered(run):
            wrap(run)
            return enter(run)

        with mock.patch.object(training.Run, "__enter__", entered), suppress(Reached), redirect_stdout(None):
            self.command.run(self.args)


def set_up(module, arguments, out, device="auto"):
    """A training's command up to its loop. Returns its common.training.Run, whose `training` runs it again."""
    out.mkdir(parents=True, exist_ok=True)
    found = Training(module, arguments, out, device)
    runs = []

    def reached(run):
        runs.append(run)
        raise Reached

    found.run(reached)
    runs[0].training = found
    return runs[0]


def read_batches(handed, count=8):
    """The first `count` batches of a training, in pinned memory where its loader pins."""
    return [batch for _, batch in zip(range(count), handed.loader)]


class Prepared:
    """Stands in for a loader: `batches` over and over, with `begin()` before step `warm` and `end()` after the last.

    `benchmark`: whether cuDNN may try its algorithms; the Run itself sets that, but before it asks for a batch.
    """

    def __init__(self, loader, batches, warm, steps, begin, end, benchmark=True):
        self.collate_fn = loader.collate_fn
        self.batches, self.warm, self.steps = batches, warm, steps
        self.begin, self.end, self.benchmark = begin, end, benchmark

    def __iter__(self):
        torch.backends.cudnn.benchmark = self.benchmark
        for number in range(self.warm + self.steps):
            if number == self.warm:
                self.begin()
            yield self.batches[number % len(self.batches)]
        self.end()
        raise Reached  # nothing is written


def run(handed, batches, warm, steps, begin, end, benchmark=True):
    """Runs a training's own loop for `warm` + `steps` steps, without a checkpoint at the end; see Prepared.

    Returns its model.
    """
    runs = []

    def prepared(run):
        run.loader = Prepared(run.loader, batches, warm, steps, begin, end, benchmark)
        run.total = warm + steps + 1
        runs.append(run)

    handed.training.run(prepared)
    return runs[0].bare_model


def wait(device):
    """Until a GPU has done everything that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def milliseconds(handed, batches, warm, steps, benchmark=True):
    """The time of a step, on average over `steps` after `warm`."""
    device, times = handed.device, []

    def now():
        wait(device)
        times.append(time.perf_counter())

    run(handed, batches, warm, steps, now, now, benchmark)
    return 1e3 * (times[1] - times[0]) / steps


def synchronisations(handed, batches, warm, steps):
    """The places, "file:line", at which `steps` steps made this process wait for the GPU: none, if all is well."""

    def begin():
        wait(handed.device)
        torch.cuda.set_sync_debug_mode("warn")

    def end():
        torch.cuda.set_sync_debug_mode("default")

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            run(handed, batches, warm, steps, begin, end)
        finally:
            end()
    return [f"{each.filename.rsplit('/', 1)[-1]}:{each.lineno}" for each in seen if SYNCHRONISING in str(each.message)]


if __name__ == "__main__":  # python benchmarks/trainings.py FILE [thin]: random weights for seg.train --init
    write_resnet(Path(sys.argv[1]), thin=sys.argv[2:] == ["thin"])
