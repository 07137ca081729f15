"""Step times of the trainings at the paper's sizes, on random input and weights: float32 against bfloat16, eager against
compiled, one JSON line each. Both sides of a ratio come from this one run.

python tests/bench/training.py [--device cpu] [--steps 3] [--compile]
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cls.losses import classification_loss  # noqa: E402
from cls.model import Classifier  # noqa: E402
from common import device as devices  # noqa: E402
from seg.deeplab import DeepLabResNet101, DeepLabVGG16, MultiScale, freeze_batch_norm, multi_scale_loss  # noqa: E402


def classifier(batch_size, device):
    """A step's network, input, and loss of the network's output."""
    images = torch.randn(batch_size, 3, 256, 256, device=device)
    labels = torch.randint(0, 2, (batch_size, 20), device=device).float()
    return Classifier(20), images, lambda maps: classification_loss(maps.float(), labels)


def segmentation(backbone, batch_size, device):
    images = torch.randn(batch_size, 3, 321, 321, device=device)
    labels = torch.randint(0, 21, (batch_size, 321, 321), dtype=torch.uint8, device=device)
    network = MultiScale(backbone(20))
    freeze_batch_norm(network)
    return network, images, lambda outputs: multi_scale_loss(outputs, labels)


def seconds(network, images, loss_of, amp, steps, device):
    """Seconds of a training step, the median of `steps` after two that do not count."""
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 1e-6, momentum=0.9)
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        with devices.autocast(device, amp):
            output = network(images)
        loss = loss_of(output)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[2:])[steps // 2]


def measure(name, make, args, device):
    network, images, loss_of = make(device=device)
    network = devices.place(network, device).train()
    images = images.contiguous(memory_format=torch.channels_last)
    step = partial(seconds, images=images, loss_of=loss_of, steps=args.steps, device=device)
    result = {"name": name, "fp32_s": step(network, amp=False), "bf16_s": step(network, amp=True)}
    result["ratio"] = result["fp32_s"] / result["bf16_s"]
    if args.compile:
        result["compiled_bf16_s"] = step(torch.compile(network), amp=True)
        result["compiled_ratio"] = result["bf16_s"] / result["compiled_bf16_s"]
    if device.type == "cuda":
        result["peak_GiB"] = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in result.items()}
    print(json.dumps(rounded), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=5, help="of the classifier, as in the paper")
    parser.add_argument("--seg-batch-size", type=int, default=2, help="the paper has 10, for which a CPU is too slow")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    args = parser.parse_args()
    torch.manual_seed(0)
    device = devices.pick(args.device)
    measure(f"classifier step, {args.batch_size} x 256²", partial(classifier, args.batch_size), args, device)
    for name, backbone in (("ResNet-101", DeepLabResNet101), ("VGG16", DeepLabVGG16)):
        make = partial(segmentation, backbone, args.seg_batch_size)
        measure(f"DeepLab {name} multi-scale step, {args.seg_batch_size} x 321²", make, args, device)


if __name__ == "__main__":
    main()
