"""Lets several processes of a stage share one GPU, over gloo, because NCCL refuses that: for benchmarks/gpu_check.py.

python -m torch.distributed.run --standalone --nproc-per-node 2 benchmarks/two_on_one.py cls.train ARGUMENTS
"""

import functools
import os
import runpy
import sys
from pathlib import Path

import torch.distributed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main():
    os.environ.update(LOCAL_RANK="0", LOCAL_WORLD_SIZE="1")  # each as if it were alone on its machine, so on cuda:0
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # the machine's name may lead nowhere, where there is no network
    start = torch.distributed.init_process_group
    torch.distributed.init_process_group = functools.partial(_over_gloo, start)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _over_gloo(start, backend, **options):
    start("gloo", **options)


if __name__ == "__main__":
    main()
