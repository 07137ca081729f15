"""Runs stages, one after the other, in several processes: to start these one by one would take longer than the stages.

python tests/in_a_row.py JSON, {number of processes: [[module, argument, ...], ...]}. Before the stages, each tensor
that `distributed.shard` takes apart has to come back from `distributed.unshard`.
"""

import importlib
import json
import os
import socket
import sys
from pathlib import Path

import torch
import torch.utils.tensorboard  # so that all processes have it
from torch.multiprocessing import start_processes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stages import distributed  # noqa: E402


def check_unshard():
    for length in range(2 * distributed.WORLD_SIZE + 1):
        for dtype in (torch.uint8, torch.int64, torch.float32):
            whole = torch.arange(3 * length).view(length, 3).to(dtype)
            assert torch.equal(distributed.unshard(distributed.shard(whole), length), whole), (length, dtype)
        own = distributed.shard(torch.arange(length).float()).requires_grad_()
        factors = torch.arange(length) + 10.0
        (distributed.unshard(3 * own, length) * factors).sum().backward()
        assert torch.equal(own.grad, 3 * distributed.shard(factors)), length


def run(calls):
    for module, *arguments in calls:
        module = importlib.import_module(module)
        args = module.parser().parse_args(arguments)
        args.out.mkdir(parents=True, exist_ok=True)
        module.run(args)
        distributed.barrier()


def run_as(rank, processes, calls):
    """As torchrun's process `rank` does, which finds these numbers when it starts."""
    distributed.RANK, distributed.WORLD_SIZE, distributed.IS_FIRST = rank, processes, rank == 0
    distributed.LOCAL_WORLD_SIZE = processes
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(processes)}
    with distributed.process_group():
        check_unshard()
        run(calls)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for processes, calls in json.loads(sys.argv[1]).items():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        for module, *_ in calls:
            importlib.import_module(module)
        start_processes(run_as, (int(processes), calls), int(processes), start_method="fork")
