"""Training in one and in two processes, as torchrun starts them, each on a core of its own: python
benchmarks/scaling.py

Strong scaling shares one batch, weak scaling gives each process a batch of that size. The network is the classifier, an
eighth as wide as VGG16, at 128²; with GloRe's batch norm over all processes and gradients that add up. On a machine
with fewer than two GPUs both sides run on the CPU, and the line's name says so.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from measurement import ROOT, show

CHANNELS = [16, 32, 64, 64, 64]


def train(batch_size, steps, device):
    """Prints the images a second of all processes, which share each batch as in cls.train."""
    import torch

    from cls.losses import classification_loss
    from cls.model import Classifier, ClassifierArch
    from common.training import device as devices
    from common.training.data_parallel import parallel
    from common.training.losses import means
    from stages import distributed

    device = devices.select_device(device)
    share = len(distributed.shard(range(batch_size)))
    images = torch.randn(share, 3, 128, 128, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (share, 20), device=device).float()
    network = parallel(devices.to_device(Classifier(ClassifierArch(classes=20, channels=CHANNELS)), device))
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9)
    for step in range(steps + 3):
        if step == 3:
            distributed.barrier()
            start = time.perf_counter()
        with devices.autocast(device, None):
            maps = network(images)
        loss = means({"classification": classification_loss(maps.float(), labels)})["classification"]
        optimizer.zero_grad()
        (loss * distributed.WORLD_SIZE).backward()
        distributed.total(loss).item()
        optimizer.step()
    distributed.barrier()
    if distributed.IS_FIRST:
        print(batch_size * steps / (time.perf_counter() - start))


def common_device():
    """Where one process and two can both run: "cuda" takes a GPU for each."""
    import torch

    return "cuda" if torch.cuda.device_count() >= 2 else "cpu"


def speed(processes, batch_size, steps, device):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *launcher, __file__, "--batch-size", str(batch_size), "--steps", str(steps)]
    command += ["--train", "--device", device]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    return float(result.stdout.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--device", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        from stages import distributed

        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[distributed.LOCAL_RANK]})
        with distributed.process_group():
            return train(args.batch_size, args.steps, args.device)
    device = common_device()
    where = "GPUs" if device == "cuda" else "the CPU"
    for what, factor in (("strong: batches of 8 in all", 1), ("weak: batches of 8 a process", 2)):
        one = speed(1, args.batch_size, args.steps, device)
        two = speed(2, factor * args.batch_size, args.steps, device)
        sides = {"1 process": one, "2 processes": two}
        show("Several processes", f"classifier's training on {where}, {what}", "images/s", sides)


if __name__ == "__main__":
    main()
