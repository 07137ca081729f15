"""How fast the label stages are: runs them on drawn data of VOC's format, and prints a JSON line for each measurement.

    python tests/bench/labels.py --images 200 --workers 2

Every command runs on N and on 2N images: the second minus the first, the line "marginal", is what an image costs without
the start of Python and its processes, and so what counts for 10 582 of them. `ms_per_image` is wall time, `cpu_ms_per_image`
user and system time of all processes, `peak_mb` the largest process. This one stays small, with no import beyond the
standard library: Linux counts its memory, at the start of a command, as the command's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAPS = ("32x32", "500x375")


def stages(root, size, split):
    """(name, arguments) of the three commands on maps of `size`, in their order."""
    run = root / f"run_{size}_{split}"
    yield "background", ("--oa-cam", root / f"oa_cam_{size}", "--out", run / "initial")
    yield "pom", ("--label", run / "initial", "--cam", root / f"cam_{size}", "--out", run / "pseudo")
    yield "nsrm", ("--pred", root / "pred", "--label", run / "pseudo", "--out", run / "masked")


def measure(root, name, arguments, split, workers):
    """(wall seconds, CPU seconds, peak resident MB) of one command and all its processes."""
    command = [sys.executable, "-m", f"pseudo.{name}", "--data", root / "data", "--split", split, *arguments]
    start = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--workers", str(workers)], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # what it used with the processes that it waited for
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"pseudo.{name}: exit status {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def report(name, images, workers, wall, cpu, peak=None):
    values = {"ms_per_image": 1000 * wall / images, "images": images, "workers": workers}
    values["cpu_ms_per_image"] = 1000 * cpu / images
    if peak is not None:
        values["peak_mb"] = peak
    print(json.dumps({"name": name, **{key: round(value, 2) for key, value in values.items()}}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="N")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of each command")
    args = parser.parse_args()
    n = args.images
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([sys.executable, Path(__file__).with_name("draw.py"), root, str(2 * n)], check=True)
        for size in MAPS:
            for (name, first), (_, second) in zip(stages(root, size, "half"), stages(root, size, "all")):
                half = measure(root, name, first, "half", args.workers)
                whole = measure(root, name, second, "all", args.workers)
                report(f"{name} {size}", n, args.workers, *half)
                report(f"{name} {size}", 2 * n, args.workers, *whole)
                report(f"{name} {size} marginal", n, args.workers, whole[0] - half[0], whole[1] - half[1])


if __name__ == "__main__":
    main()
