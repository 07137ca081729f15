"""Several processes for one stage, as torchrun starts them: shares of the work, and sums over all processes.

Without torchrun there is one process, and these functions do nothing. PyTorch is imported only where there are more.
GPUs talk over NCCL, CPUs over gloo. The first process alone writes the stage's record and its single files.
"""

import os
import sys
import time
import warnings
from contextlib import contextmanager
from datetime import timedelta

from stages import interruption
from stages.files import InputError

RANK = int(os.environ.get("RANK", 0))
WORLD_SIZE = int(os.environ.get("WORLD_SIZE", 1))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", 0))  # among the processes of this machine …
LOCAL_WORLD_SIZE = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # … of which there are so many
IS_FIRST = RANK == 0
# Waits may be long where nothing is wrong: the first process hashes a data set on a slow disk, another still runs its
# CRF. A process that fails does not make the others wait: torchrun ends them (see `end`).
TIMEOUT = timedelta(hours=4)


@contextmanager
def process_group():
    """Sets up the process group, and destroys it at the end.

    Not after an exception: destroying it waits for the others, which may wait for this one. The process `end`s then.
    """
    if WORLD_SIZE == 1:
        yield
        return
    from torch import cuda, distributed

    interruption.end_with_torchrun()
    # names of PyTorch 2.6 that later versions warn about
    warnings.filterwarnings("ignore", "`broadcast_buffers`|torch.distributed.nn.functional", FutureWarning)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda.is_available() else "gloo", timeout=TIMEOUT)
    yield
    _destroy()


def _destroy():
    from torch import distributed

    distributed.destroy_process_group()
    time.sleep(0.1)  # gloo's threads drop their last tensors, for which they need Python to be there still


def end(status):
    """Exits with a status; one of several processes does so at once, without waiting for the others."""
    if WORLD_SIZE == 1:
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def shard(items):
    """This process's share of a list, every WORLD_SIZE-th item: the shares are disjoint and together the list."""
    return items[RANK::WORLD_SIZE]


def barrier():
    """Waits for all processes."""
    if WORLD_SIZE > 1:
        gather(None)


def gather(value):
    """The values of all processes, in order of rank. They are pickled and sent over the network: keep them small."""
    if WORLD_SIZE == 1:
        return [value]
    from torch import distributed

    values = [None] * WORLD_SIZE
    distributed.all_gather_object(values, value)
    return values


def on_first(function):
    """Calls `function()` in the first process and returns its result in all; at its InputError the others exit."""
    result, error = None, None
    if IS_FIRST:
        try:
            result = function()
        except InputError as found:
            error = str(found)
    result, error = gather((result, error))[0]
    if error is not None:
        if WORLD_SIZE > 1:
            _destroy()  # all know of it: nobody waits
        raise InputError(error) if IS_FIRST else SystemExit(2)
    return result


def total(tensor):
    """The sum of a tensor over all processes, without gradient."""
    if WORLD_SIZE == 1:
        return tensor
    from torch import distributed

    tensor = tensor.detach().clone()
    distributed.all_reduce(tensor)
    return tensor


def maximum(tensor):
    """Replaces a tensor by its elementwise maximum over all processes, in place."""
    if WORLD_SIZE > 1:
        from torch import distributed

        distributed.all_reduce(tensor, distributed.ReduceOp.MAX)


def unshard(tensor, count):
    """The `count` rows of all processes, in their order before `shard`; gradients flow to this process's rows."""
    if WORLD_SIZE == 1:
        return tensor
    import torch
    from torch import distributed

    missing = -(-count // WORLD_SIZE) - len(tensor)  # the first process has most
    padded = torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])]).contiguous()
    parts = [torch.empty_like(padded) for _ in range(WORLD_SIZE)]
    distributed.all_gather(parts, padded.detach())
    parts[RANK] = padded
    return torch.stack(parts, 1).flatten(0, 1)[:count]
