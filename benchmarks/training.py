"""Step times of the trainings at the paper's sizes, on drawn images and random weights: python benchmarks/training.py

float32 against bfloat16, and where the time of a step goes, each by the command's own loop. For
CPUs, on which segmentation gets 2 images instead of the paper's 10; scripts/gpu_check.sh is for GPUs.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch
import trainings
from draw import draw_data
from measurement import show

STEPS = 3  # per measurement, after two that do not count
SMALLER = ("--batch-size", 2)
TRAININGS = (  # (title, name, further options, the ratio that bfloat16 should reach)
    ("classifier, 5 × 256²", "cls.train", (), 3),
    ("DeepLab ResNet-101, 2 × 321²", "seg.train ResNet-101", SMALLER, 2.5),
    ("DeepLab VGG16, 2 × 321²", "seg.train VGG16", SMALLER, 2.5),
)


def timed(command, mode, **options):
    """(seconds a step, GiB, kernels if profiled) of a training on the CPU, see trainings.timed."""
    module, arguments = command
    arguments = (*arguments, *trainings.MODES[mode], "--workers", 0)
    milliseconds, *more = trainings.run(
        (module, arguments), torch.device("cpu"), partial(trainings.timed, warm=2, **options)
    )
    return milliseconds / 1e3, *more


def measure(title, command, at_least):
    """Show the ratios of one training, and the operators that take most of a step's time themselves."""
    sides = {mode: timed(command, mode, steps=STEPS)[0] for mode in ("float32", "bfloat16")}
    show("Mixed precision", title, "s/step", sides, at_least=at_least)
    sums = timed(command, "bfloat16", steps=1, profile=True)[-1]
    for operator in sorted(sums, key=sums.get, reverse=True)[:5]:
        show("Profile", f"{title}: {operator}", "%", {"of the step": 100 * sums[operator] / sum(sums.values())})
    return sides["bfloat16"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw_data(root, 20)
        trainings.write_resnet(root / "resnet.pth")
        commands, times = trainings.commands(root), {}
        for title, name, options, at_least in TRAININGS:
            module, arguments = commands[name]
            times[name] = measure(title, (module, (*arguments, *options)), at_least)
        sides = {name: timed(commands[name], "bfloat16", steps=3 * STEPS)[0] for name in ("cls.train", "fbr.train")}
        show("FBR", "two heads, all losses", "s/step", sides)
    hours = 2 * (14 * 10582 / 5 * times["cls.train"] + 10_000 * 10 / 2 * times["seg.train ResNet-101"]) / 3600
    what = "the paper's four trainings with ResNet-101, extrapolated from the steps"
    show("A full run", what, "hours", {"bfloat16": hours})


if __name__ == "__main__":
    main()
