"""The trainings as their commands set them up, with real networks, optimisers, steps and images, to be measured.

A command runs with its own loop, which gets its batches from a generator: what that does between two of them is done
between two steps.
"""

import gc
import importlib
import math
import os
import tempfile
import time
import warnings
from contextlib import ExitStack, closing, redirect_stdout, suppress
from itertools import cycle, islice
from unittest import mock

import torch
from measurement import ROOT  # noqa: F401  (makes the packages importable)

from common.training import checkpoint
from common.training import loop as training
from seg.deeplab import build

SYNCHRONISING = "called a synchronizing CUDA operation"  # PyTorch's words under set_sync_debug_mode
THIN_VGG = ("--channels", 4, 4, 4, 4, 4)
THIN_RESNET = ("--blocks", 1, 1, 1, 1, "--width", 4)
THIN_IRN = ("--branch-width", 4, "--crop-size", 64, "--radius", 5)
PROFILED = 3  # steps
MODES = {"bfloat16": ("--amp",), "TF32": ("--no-amp",), "float32": ("--no-amp", "--no-tf32")}


def commands(root, split="half", thin=False):
    """{name: (module, arguments)} of the trainings at the paper's sizes, on the data of draw.py in `root`.

    `thin` leaves the classifier's images large and makes the rest tiny. The ResNet starts from <root>/resnet.pth, see
    `write_resnet`, with batch norm frozen, as from COCO's weights.
    """
    data = ("--data", root / "data", "--split", split, "--lr", 1e-8)  # random weights bear no more for long
    vgg, resnet, fc = (THIN_VGG, THIN_RESNET, ("--fc-channels", 4)) if thin else ((), (), ())
    crops = (*data, "--labels", root / "pred", *(("--batch-size", 2, "--crop-size", 65) if thin else ()))
    cls = (*data, *vgg, "--epochs", 3)
    irn = (*data, "--seeds", root / "pred", "--split", "all")  # of fewer images the batches would not be full
    irn += (*resnet, *THIN_IRN, "--batch-size", 2) if thin else ()
    irn_cls = (*data, "--split", "all", "--backbone", "resnet50", "--batch-size", 16)
    amn = (*data, "--split", "all", "--seeds", root / "pred")
    if thin:
        crops_of_16 = (*resnet, "--batch-size", 2, "--crop-size", 64)
        irn_cls, amn = (*irn_cls, *crops_of_16), (*amn, *crops_of_16)
    return {
        "cls.train": ("cls.train", cls),
        "fbr.train": ("fbr.train", cls),
        "cls.train_iam": ("cls.train_iam", (*cls, "--attention", root / "oa_cam")),
        "seg.train ResNet-101": (
            "seg.train",
            (*crops, *resnet, "--init", root / "resnet.pth", "--convention", "caffe"),
        ),
        "seg.train VGG16": ("seg.train", (*crops, "--backbone", "vgg16", *vgg, *fc)),
        "irn.train": ("irn.train", irn),
        "cls.train ResNet-50": ("cls.train", irn_cls),
        "cls.train_amn": ("cls.train_amn", amn),
        "fbr.train_amn": ("fbr.train_amn", amn),
    }


def random_deeplab(**arch):
    """A DeepLab of random weights whose residuals start at 0: they would add up over 33 blocks, and overflow."""
    network = build(**arch)
    for name, layer in network.named_modules():
        if name.endswith("increase.bn"):
            torch.nn.init.zeros_(layer.weight)
    return network


def write_resnet(path, thin=False):
    """A DeepLab ResNet-101 of random weights that can be trained with frozen batch norm."""
    sizes = {"blocks": [1, 1, 1, 1], "width": 4} if thin else {}
    arch = {"backbone": "resnet101", "classes": 20, "convention": "caffe", **sizes}
    checkpoint.save(path, arch=arch, state_dict=random_deeplab(**arch).state_dict())


class Measured(Exception):
    """The loop has done what was to be measured."""


def run(command, device, measure):
    """Run a training's (module, arguments) on a device up to the end of its loop; nothing that it writes stays.

    `measure(run, loader)` is a generator of the loop's batches, from the common.training.loop.Training of the command
    and its own loader. Returns what it returns.
    """
    module, arguments = command
    module, enter = importlib.import_module(module), training.Training.__enter__
    found, stack = [], ExitStack()

    def batches(measuring):
        found.append((yield from measuring))
        raise Measured

    def entered(run):
        run.loader = stack.enter_context(closing(batches(measure(run, run.loader))))
        return enter(run)

    if torch.cuda.is_available():  # what an earlier training has left would count as this one's
        gc.collect()
        torch.cuda.empty_cache()
    with stack, mock.patch.object(training.Training, "__enter__", entered), suppress(Measured):
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        out = stack.enter_context(tempfile.TemporaryDirectory())
        options = [str(option) for option in (*arguments, "--out", out, "--device", device)]
        module.run(module.parser().parse_args(options))
    return found[0]


def endless(run, loader):
    """The first batches of a training, over and over, pinned as its loader does; it never ends and saves nothing."""
    run.total = math.inf
    return cycle([batch for _, batch in zip(range(max(2, 40 // run.args.batch_size)), loader)])


def steady(run):
    """Let a training begin with its second epoch, because the first only warms up, and FBR with a full bank."""
    run.done = run.epoch_length
    if fbr := getattr(run.bare_model, "fbr", None):
        fbr.bank.rows.uniform_()
        fbr.bank.filled.fill_(fbr.bank.size)


def now(device):
    """The time, once a GPU has done everything that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def timed(run, loader, warm, steps, profile=False):
    """For `run`: milliseconds of a step, the mean of `steps` after `warm`, and the GPU's peak memory in GiB, or 0.

    With `profile` also {kernel: its milliseconds} of
    three more steps; see `kernels`.
    """
    device, cuda = run.device, run.device.type == "cuda"
    steady(run)
    batches = endless(run, loader)
    yield from islice(batches, warm)
    start = now(device)
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)  # the trials of cudnn.benchmark were before
    yield from islice(batches, steps)
    milliseconds = 1e3 * (now(device) - start) / steps
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if cuda else 0
    if not profile:
        return milliseconds, memory
    with profiler(device) as record:
        yield from islice(batches, PROFILED)
        now(device)
    return milliseconds, memory, kernels(record, device)


def profiler(device):
    """A torch.profiler of what runs on a device, without what launches it."""
    activity = torch.profiler.ProfilerActivity
    return torch.profiler.profile(activities=[activity.CUDA if device.type == "cuda" else activity.CPU])


def kernels(record, device):
    """{name: milliseconds of all its calls} of a GPU's kernels and copies, or of a CPU's operators."""
    time = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    events = [event for event in record.key_averages() if not event.is_user_annotation]  # those span several kernels
    return {event.key: getattr(event, time) / 1e3 for event in events}


def waiting(run, loader, warm, steps, mode="warn"):
    """For `run`: the places, "file:line", at which `steps` steps made this process wait for the GPU; [] if all is well.

    With the mode "error" the first one raises RuntimeError.
    """
    batches, set_mode = endless(run, loader), torch.cuda.set_sync_debug_mode
    yield from islice(batches, warm)
    now(run.device)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        set_mode(mode)
        try:
            yield from islice(batches, steps)
        finally:
            set_mode("default")
    return [f"{each.filename.rsplit('/', 1)[-1]}:{each.lineno}" for each in seen if SYNCHRONISING in str(each.message)]
