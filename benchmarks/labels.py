"""How fast the label stages are, on drawn data of VOC's format: python benchmarks/labels.py [--images 300]

Every command runs on N and on 2N images: the second minus the first is what an image costs without the start of Python
and its processes, and so what counts for 10 582 of them. It is wall time. This process stays small, with no import
beyond the standard library: Linux counts its memory, at the start of a command, as the command's.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measurement import ROOT, show

CORES = len(os.sched_getaffinity(0))
SECTION = "Labels"


def command_of(root, stage, size, split, workers, inputs_of=1):
    """The stage on maps of `size`, its folder named after everything, and its inputs those of `inputs_of` processes."""
    run = root / f"run_{size}_{split}"
    inputs = {
        "background": ("--oa-cam", root / f"oa_cam_{size}"),
        "pom": ("--label", run / f"background{inputs_of}", "--cam", root / f"cam_{size}"),
        "nsrm": ("--pred", root / "pred", "--label", run / f"pom{inputs_of}"),
    }[stage]
    options = ("--data", root / "data", "--split", split, *inputs, "--workers", workers)
    return [sys.executable, "-m", f"pseudo.{stage}", *map(str, options), "--out", str(run / f"{stage}{workers}")]


def measure(command):
    """(wall seconds, peak resident MiB) of one command and all its processes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[2]}: exit status {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def cost(root, stage, size, images, memory):
    """{processes: ms an image} of a stage; the peaks of N and 2N images go into `memory`."""
    milliseconds = {}
    for workers in sorted({1, CORES}):
        runs = [measure(command_of(root, stage, size, split, workers)) for split in ("half", "all")]
        milliseconds[workers] = 1000 * (runs[1][0] - runs[0][0]) / images
        memory[stage, size, workers] = [peak for _, peak in runs]
    return milliseconds


def compare(what, costs, at_most):
    """One line from the costs of several stages, added up."""
    sides = {"1 process": sum(c[1] for c in costs), f"{CORES} processes": sum(c[CORES] for c in costs)}
    show(SECTION, what, "ms/image", sides, at_most=at_most)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300, help="N")
    n = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        root, memory = Path(folder), {}
        subprocess.run([sys.executable, Path(__file__).with_name("draw.py"), root, str(2 * n)], check=True)
        for size, limit in (("32x32", 6), ("500x375", 15)):
            costs = [cost(root, stage, size, n, memory) for stage in ("background", "pom")]
            compare(f"BE + POM, maps of {size}", costs, limit)
        compare("NSRM", [cost(root, "nsrm", "32x32", n, memory)], 3.5)
        peaks = memory["background", "500x375", CORES]
        show(SECTION, "peak memory of BE, largest process", "MiB", dict(zip((f"{n} images", f"{2 * n} images"), peaks)))


if __name__ == "__main__":
    main()
