"""Several processes for one stage, as torchrun starts them: who does what, and what they add up.

Without torchrun there is one process, and nothing here does anything. PyTorch is only imported where there are more.
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
    """Joins the processes of a stage, and parts them at its end.

    Not after an exception: parting waits for the others, which may wait for this one. The process has to `end` then.
    """
    if WORLD_SIZE == 1:
        yield
        return
    from torch import cuda, distributed

    interruption.end_with_torchrun()
    # names that PyTorch 2.6 has, and that later ones warn of
    warnings.filterwarnings("ignore", "`broadcast_buffers`|torch.distributed.nn.functional", FutureWarning)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda.is_available() else "gloo", timeout=TIMEOUT)
    yield
    _part()


def _part():
    from torch import distributed

    distributed.destroy_process_group()
    time.sleep(0.1)  # gloo's threads drop their last tensors, for which they need Python to be there still


def end(status):
    """Ends this process with an exit status: one of several at once, without waiting for the others in any way."""
    if WORLD_SIZE == 1:
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def shard(items):
    """Every WORLD_SIZE-th of a list, this process's own: together they are the list, none is in two."""
    return items[RANK::WORLD_SIZE]


def barrier():
    """Waits for all processes."""
    if WORLD_SIZE > 1:
        gather(None)


def gather(value):
    """The values of all processes, in their order. Small picklable things only: they go over the network."""
    if WORLD_SIZE == 1:
        return [value]
    from torch import distributed

    values = [None] * WORLD_SIZE
    distributed.all_gather_object(values, value)
    return values


def on_first(function):
    """Calls `function()` in the first process and returns its result in all; the others end at its InputError."""
    result, error = None, None
    if IS_FIRST:
        try:
            result = function()
        except InputError as found:
            error = str(found)
    result, error = gather((result, error))[0]
    if error is not None:
        if WORLD_SIZE > 1:
            _part()  # all know of it: nobody waits
        raise InputError(error) if IS_FIRST else SystemExit(2)
    return result


def total(tensor):
    """The sum of a tensor over all processes; gradients don't flow through it."""
    if WORLD_SIZE == 1:
        return tensor
    from torch import distributed

    tensor = tensor.detach().clone()
    distributed.all_reduce(tensor)
    return tensor


def maximum(tensor):
    """Puts the elementwise maximum over all processes into a tensor, in place."""
    if WORLD_SIZE > 1:
        from torch import distributed

        distributed.all_reduce(tensor, distributed.ReduceOp.MAX)


def unshard(tensor, count):
    """The `count` rows of all processes in the order that `shard` took them from; gradients flow to this one's own."""
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
