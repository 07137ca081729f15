"""One function over many images, on all cores."""

import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from common.progress import progress_bar


def cores():
    """How many cores this process may use: those of its affinity, which batch systems and taskset narrow."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def add_workers_argument(parser):
    parser.add_argument("--workers", type=int, default=cores(), help="processes")


def for_each(function, items, workers, description, total=None):
    """Calls `function(item)` for every item, in `workers` processes, and yields the results in the items' order.

    `items` may be a generator that works for each item, such as a network at inference: it runs here, at most a few
    items ahead of the processes, so memory stays flat. An exception in a process is raised here.
    """
    total = len(items) if total is None else total
    with progress_bar(description, total) as bar:
        for result in _results(function, items, workers):
            bar.update()
            yield result


def _results(function, items, workers):
    if workers <= 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        pending = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 4 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread():
    """The processes are the parallelism; OpenCV's threads would only fight over the cores."""
    import cv2

    cv2.setNumThreads(1)
