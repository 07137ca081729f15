"""Runs several stages, one after the other, in the same processes: starting these takes longer than small stages do.

python tests/in_a_row.py JSON: a list of [module, argument, ...]. Before them, every tensor that `distributed.shard`
takes apart has to come back from `distributed.unshard`.
"""

import importlib
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stages import distributed  # noqa: E402


def check_unshard():
    for length in range(2 * distributed.WORLD_SIZE + 1):
        for dtype in (torch.uint8, torch.int64, torch.float32):
            whole = torch.arange(3 * length).view(length, 3).to(dtype)
            assert torch.equal(distributed.unshard(distributed.shard(whole)), whole), (length, dtype)
        own = distributed.shard(torch.arange(length).float()).requires_grad_()
        factors = torch.arange(length) + 10.0
        (distributed.unshard(3 * own) * factors).sum().backward()
        assert torch.equal(own.grad, 3 * distributed.shard(factors)), length


def run(module, *arguments):
    module = importlib.import_module(module)
    args = module.parser().parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    module.run(args)
    distributed.barrier()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.process_group():
        check_unshard()
        for call in json.loads(sys.argv[1]):
            run(*call)
