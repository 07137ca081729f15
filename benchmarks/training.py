"""Step times of the trainings at the paper's sizes, on drawn images and random weights: python benchmarks/training.py
[--compile] [--profile]

float32 against bfloat16, eager against compiled, each by the command's own loop; both sides of a ratio come from this
one run. For CPUs, on which segmentation gets 2 images instead of the paper's 10; gpu_check.py is for GPUs.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import torch
import trainings
from draw import draw_data
from measurement import show

CPU = torch.device("cpu")
SMALLER = ("--batch-size", 2)


def measure(name, command, args, at_least):
    """Shows the ratios of one training, and returns its seconds a step in bfloat16."""
    module, arguments = command

    def seconds(mode, **options):
        arguments_of_mode = (*arguments, *trainings.MODES[mode], "--workers", 0)
        found = trainings.run((module, arguments_of_mode), CPU, partial(trainings.timed, warm=2, **options))
        return found[0] / 1e3, found[-1]

    sides = {mode: seconds(mode, steps=args.steps)[0] for mode in ("float32", "bfloat16")}
    show("Mixed precision", name, "s/step", sides, at_least=at_least)
    if args.compile:
        compiled = {"compiled": seconds("bfloat16", steps=args.steps, backend="inductor")[0]}
        show("torch.compile", name, "s/step", {"eager": sides["bfloat16"]} | compiled)
        torch._dynamo.reset()
    if args.profile:
        show_profile(name, seconds("bfloat16", steps=1, profile=True)[1])
    return sides["bfloat16"]


def show_profile(name, operators):
    """The operators that take the most of a step's time themselves, in percent of it."""
    sums = {operator: sum(calls) for operator, calls in operators.items()}
    for operator in sorted(sums, key=sums.get, reverse=True)[:5]:
        show("Profile", f"{name}: {operator}", "%", {"of the step": 100 * sums[operator] / sum(sums.values())})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--profile", action="store_true", help="show where a step's time goes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw_data(root, 20)
        trainings.write_resnet(root / "resnet.pth")
        found = {}
        for what, name, options, at_least in (
            ("classifier, 5 × 256²", "cls.train", (), 3),
            ("DeepLab ResNet-101, 2 × 321²", "seg.train ResNet-101", SMALLER, 2.5),
            ("DeepLab VGG16, 2 × 321²", "seg.train VGG16", SMALLER, 2.5),
        ):
            module, arguments = trainings.commands(root)[name]
            found[name] = measure(what, (module, (*arguments, *options)), args, at_least)
    hours = 2 * (14 * 10582 / 5 * found["cls.train"] + 10_000 * 10 / 2 * found["seg.train ResNet-101"]) / 3600
    what = "the paper's four trainings with ResNet-101, extrapolated from the steps"
    show("A full run", what, "hours", {"bfloat16": hours})


if __name__ == "__main__":
    main()
