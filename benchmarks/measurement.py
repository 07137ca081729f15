"""A measurement as one JSON object on a line, with the command and the machine that it comes from."""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from stages.record import machine  # noqa: E402


def show(*line, **more):
    """Print a measurement as a JSON line; see `measured`."""
    print(json.dumps(with_origin(measured(*line, **more)), ensure_ascii=False), flush=True)


def measured(section, what, unit, sides, at_most=None, at_least=None, note=""):
    """A measurement as a dictionary. `sides`: {name: number}, all taken in this run.

    Of two sides, the ratio is how much better the second is: of times and memory first / second, of speeds ("…/s")
    second / first. `at_most` is a target for the last side, `at_least` one for the ratio.
    """
    line = {"section": section, "what": what, "unit": unit}
    line["sides"] = {name: float(f"{value:.4g}") for name, value in sides.items()}
    if len(sides) == 2 and all(sides.values()):
        first, second = sides.values()
        line["ratio"] = round(second / first if unit.endswith("/s") else first / second, 2)
    if at_most is not None or at_least is not None:
        met = list(sides.values())[-1] <= at_most if at_most is not None else line["ratio"] >= at_least
        line["target"] = f"≤ {at_most} {unit}" if at_most is not None else f"≥ {at_least}×"
        line["met"] = bool(met)
    return line | ({"note": note} if note else {})


def with_origin(line):
    """A line with the command and the machine."""
    command = ["python", str(Path(sys.argv[0]).resolve().relative_to(ROOT)), *sys.argv[1:]]
    return line | {"command": shlex.join(command), "machine": machine()}


def status(field):
    """MiB of this process from /proc/self/status, such as VmHWM. Not ru_maxrss: that counts the parent process too."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def run(command, folder):
    """(wall seconds, peak MiB of the largest process, output) of a command that runs in `folder`.

    Linux counts the memory of this process, at the start of the command, as the command's.
    """
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}:\n{text}")
    return seconds, usage.ru_maxrss / 1024, text


def seconds(function, count):
    """Mean seconds of `count` calls, after some that do not count; on a GPU until it has finished."""
    import torch  # slow
    from torch.utils.benchmark import Timer

    return Timer("function()", globals={"function": function}, num_threads=torch.get_num_threads()).timeit(count).mean


def alone(function, *arguments):
    """The result of a call in a new process of its own, for its memory."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
