"""Applies a function to many images, on all cores."""

import os
import re
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from stages import distributed, interruption
from stages.arguments import natural
from stages.errors import WorkerKilled
from stages.progress import progress_bar

MEMORY = Path("/proc/meminfo")  # of Linux
CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores():
    """The number of cores that this process may use, by its affinity, which batch systems and taskset restrict.

    Or by the quota of the container around it. Processes that torchrun starts on one machine share them.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for path in _limits("cpu", "cpu.cfs_quota_us", "cpu.max"):
        with suppress(OSError, ValueError):  # there is no such file, or it says "max"
            quota, *period = map(int, path.read_text().split())
            (period,) = period or [int(path.with_name("cpu.cfs_period_us").read_text())]
            count = min(count, ceil(quota / period)) if quota > 0 else count
    return max(1, count // distributed.LOCAL_WORLD_SIZE)


def machine_memory():
    """Memory in bytes of this machine, or the limit of the container or batch job around this process."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _limits("memory", "memory.limit_in_bytes", "memory.max"):
        with suppress(OSError, ValueError):  # there is no such file, or it says "max"
            total = min(total, int(path.read_text()))
    return total


def spare_memory():
    """Bytes that this process may use for a cache: a quarter of the free memory, 0 where that is not known.

    Processes that torchrun starts on one machine share it.
    """
    try:
        (free,) = re.findall(r"^MemAvailable: +(\d+) kB$", MEMORY.read_text(), re.MULTILINE)
    except (OSError, ValueError):  # another system
        return 0
    return min(1024 * int(free), machine_memory()) / 4 / distributed.LOCAL_WORLD_SIZE


def _limits(controller, first, second):
    """Files with the limits of this process's control group and those around it; their names in cgroup v1 and v2."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:  # another system
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root, name = (CGROUPS / controller, first) if controllers else (CGROUPS, second)
        place = root / place.strip("/")
        yield from (folder / name for folder in (place, *place.parents) if folder.is_relative_to(root))


def add_workers_argument(parser):
    parser.add_argument("--workers", type=natural, default=cores(), help="worker processes")


class MemoryLimit(NamedTuple):
    """A limit for the processes of a machine together: as many run at once as fit, but at least one."""

    limit: float  # bytes
    of: Callable[[Any], float]  # bytes of a process for an item, libraries included


def for_each(function, items, workers, description, total=None, memory=None):
    """Calls `function(item)` for every item, in `workers` processes, as `map_each` does."""
    for _ in map_each(function, items, workers, description, total, memory):
        pass


def map_each(function, items, workers, description, total=None, memory=None):
    """Yields `function(item)` of every item, which `workers` processes call, in the items' order.

    `items` may be a generator that computes each item, such as a network at inference: it runs here, at most a few
    items ahead of the processes, so memory use stays constant. `memory`: a MemoryLimit, which may let fewer run at
    once. An exception of a process is raised here, an interruption between two items.
    """
    total = len(items) if total is None else total
    with interruption.deferred(), progress_bar(description, total) as bar:
        for result in _results(function, items, workers, memory):
            bar.update()
            yield result
            interruption.check()


def _results(function, items, workers, memory):
    if workers <= 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)
    processes = pool._processes  # {pid: process}; the pool drops it as it shuts down
    pending, running = deque(), {}
    try:
        for chunk in _chunks(items, workers):
            need = max(map(memory.of, chunk)) if memory else 0
            while running and need + sum(running.values()) > memory.limit / distributed.LOCAL_WORLD_SIZE:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
                while pending and pending[0].done():  # so that errors and interruptions are seen in the meantime
                    yield from pending.popleft().result()
            pending.append(pool.submit(_apply, function, chunk))
            if memory:
                running[pending[-1]] = need
            if len(pending) > 4 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool:
        pool.shutdown()  # waits until all have ended, so that all exit codes are known
        for process in processes.values():
            if (process.exitcode or 0) < 0 and -process.exitcode != signal.SIGTERM:  # by which the pool ends the others
                raise WorkerKilled(process.pid, -process.exitcode) from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(items, workers):
    """Batches of items to send to a process: a few of a list, one of a generator as soon as it is there."""
    if not isinstance(items, Sequence):
        return ([item] for item in items)
    size = min(8, 1 + len(items) // (8 * workers))  # so that all processes finish at about the same time
    return (items[start : start + size] for start in range(0, len(items), size))


def _apply(function, chunk):
    return [function(item) for item in chunk]


def _start_worker():
    """One thread for OpenCV and PyTorch: the processes already use all cores."""
    import cv2

    interruption.start_worker()
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a PyTorch that is imported later, as for the CRF: most never need it
