"""What FBR costs: steps of fbr.train beside those of cls.train, at the paper's size: python benchmarks/fbr_cost.py

Each training runs in a process of its own, with its command's own loop, on drawn images of 1 to 3 classes, from the
second epoch on and with a full bank. They take turns, a step each, so that whatever else slows the machine slows all;
times are medians. On a CPU memory is the process's largest, on a GPU what PyTorch had allocated there.
"""

import argparse
import json
import tempfile
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
import trainings
from crf import status
from draw import draw_data
from measurement import measured, with_origin

from common.training import device as devices

PLAIN = "cls.train"
ONE_HEAD = ("--heads", "shared", "--similarity-weight", 0, "--segmentation-weight", 0)
VARIANTS = {
    "two heads, all losses": (),
    "one head, NROIs alone, labels refined": (*ONE_HEAD, "--intra-weight", 0, "--labels", "refined"),
}
TIMES_CLS_TRAIN = 1.25  # what a step of fbr.train may take


def turns(pipe, run, loader):
    """For trainings.run: a step whenever the pipe says so, and into the pipe its seconds. Returns {loss: its last}."""
    trainings.steady(run)
    batches = trainings.endless(run, loader)
    while pipe.recv():
        start = time.perf_counter()
        yield next(batches)
        pipe.send(trainings.now(run.device) - start)
    run.report.read(run.args.out, run.images)
    return {name: run.report.numbers[name] for name in run.report.losses}


def train(pipe, command, device):
    """A training, in a process of its own: see turns; at last its losses and peak memory in MiB."""
    losses = trainings.run(command, device, partial(turns, pipe))
    # not ru_maxrss, which counts the process that started this one
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else status("VmHWM")
    pipe.send((losses, peak))


def take_turns(commands, device, warm, steps):
    """{name: (seconds of each step, losses, peak MiB)} of the trainings {name: (module, arguments)}, step by step."""
    context, pipes, processes = get_context("spawn"), {}, []
    try:
        for name, command in commands.items():
            pipes[name], other = context.Pipe()
            processes.append(context.Process(target=train, args=(other, command, device), daemon=True))
            processes[-1].start()
            other.close()  # so that the end of a process is seen here
        seconds = {name: [] for name in pipes}
        for _ in range(warm + steps):
            for name, pipe in pipes.items():
                pipe.send(True)
                seconds[name].append(pipe.recv())
        for pipe in pipes.values():
            pipe.send(False)
        return {name: (seconds[name][warm:], *pipe.recv()) for name, pipe in pipes.items()}
    finally:
        for process in processes:
            process.kill()
            process.join()


def cost(root, device, warm, steps, thin=False, options=()):
    """Lines: time and memory of fbr.train beside cls.train, on the list half of the data of draw.py in `root`.

    Raises RuntimeError if a loss was 0, so that a part would not have been measured.
    """
    common = (*options, "--workers", 0, "--save-minutes", 1e6)
    all_commands = trainings.commands(root, thin=thin)
    commands = {PLAIN: (PLAIN, (*all_commands[PLAIN][1], *common))}
    for name, own in VARIANTS.items():
        module, arguments = all_commands["fbr.train"]
        commands[name] = module, (*arguments, *common, *own)
    found = take_turns(commands, device, warm, steps)
    plain, _, plain_memory = found.pop(PLAIN)
    for name, (seconds, losses, memory) in found.items():
        empty = [loss for loss, value in losses.items() if not value]
        if empty:
            raise RuntimeError(f"{name}: no {' and no '.join(empty)} loss: its cost is not measured")
        sides = {PLAIN: 1e3 * median(plain), "fbr.train": 1e3 * median(seconds)}
        yield measured("FBR", name, "ms/step", sides)
        times = {"fbr.train": median(seconds) / median(plain)}
        yield measured("FBR", f"{name}, a step", "times cls.train's", times, at_most=None if thin else TIMES_CLS_TRAIN)
        yield measured("FBR", f"{name}, peak memory", "MiB", {PLAIN: plain_memory, "fbr.train": memory})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=9, help="of each training, after two that do not count")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction, help="as that of the trainings")
    args = parser.parse_args()
    options = () if args.amp is None else ("--amp" if args.amp else "--no-amp",)
    with tempfile.TemporaryDirectory() as folder:
        draw_data(Path(folder), 20)
        for line in cost(Path(folder), devices.select_device(args.device), 2, args.steps, options=options):
            print(json.dumps(with_origin(line), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
