"""Step times of the trainings at the paper's sizes, on random input and weights: python benchmarks/training.py
[--compile]

float32 against bfloat16, eager against compiled; both sides of a ratio come from this one run. On a CPU segmentation
gets 2 images instead of the paper's 10.
"""

import argparse
from functools import partial
from time import perf_counter

import torch
from measurement import show

from cls.losses import classification_loss
from cls.model import Classifier, ClassifierArch
from common import device as devices
from seg.deeplab import MultiScale, build, freeze_batch_norm, multi_scale_loss


def classifier(batch_size, device):
    """A step's network, input, and loss of the network's output."""
    images = torch.randn(batch_size, 3, 256, 256, device=device)
    labels = torch.randint(0, 2, (batch_size, 20), device=device).float()
    return Classifier(ClassifierArch(classes=20)), images, lambda maps: classification_loss(maps.float(), labels)


def segmentation(backbone, batch_size, device):
    images = torch.randn(batch_size, 3, 321, 321, device=device)
    labels = torch.randint(0, 21, (batch_size, 321, 321), dtype=torch.uint8, device=device)
    network = MultiScale(build(backbone=backbone, classes=20))
    freeze_batch_norm(network)
    return network, images, lambda outputs: multi_scale_loss(outputs, labels)


def seconds(network, images, loss_of, amp, steps, device, profile=False):
    """Seconds of a training step, the median of `steps` after two that do not count; or the profile of one more."""
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 1e-6, momentum=0.9)

    def step():
        with devices.autocast(device, amp):
            output = network(images)
        loss = loss_of(output)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()  # waits for the device

    times = []
    for _ in range(steps + 2):
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    if profile:
        with torch.profiler.profile() as record:
            step()
        return record
    return sorted(times[2:])[steps // 2]


def show_profile(name, record, cuda):
    """The operators that take the most of a step's time, in percent of it."""
    time_of = (lambda e: e.self_device_time_total) if cuda else (lambda e: e.self_cpu_time_total)
    events = sorted(record.key_averages(), key=time_of, reverse=True)
    whole = sum(map(time_of, events))
    for event in events[:5]:
        show("Profile", f"{name}: {event.key}", "%", {"of the step": 100 * time_of(event) / whole})


def measure(name, make, args, device, at_least):
    """Shows the ratios of one training, and returns its seconds a step in bfloat16."""
    network, images, loss_of = make(device=device)
    network = devices.to_device(network, device).train()
    images = images.contiguous(memory_format=torch.channels_last)
    step = partial(seconds, images=images, loss_of=loss_of, steps=args.steps, device=device)
    sides = {"float32": step(network, amp=False), "bfloat16": step(network, amp=True)}
    show("Mixed precision", name, "s/step", sides, at_least=at_least)
    if device.type == "cuda":
        show("Memory of the GPU", name, "GiB", {"peak": torch.cuda.max_memory_allocated() / 2**30})
        torch.cuda.reset_peak_memory_stats()
    if args.compile:
        sides = {"eager": sides["bfloat16"], "compiled": step(torch.compile(network), amp=True)}
        show("torch.compile", name, "s/step", sides)
        torch._dynamo.reset()
    if args.profile:
        show_profile(name, step(network, amp=True, profile=True), device.type == "cuda")
    return sides.get("bfloat16") or sides["eager"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--profile", action="store_true", help="show where a step's time goes")
    args = parser.parse_args()
    torch.manual_seed(0)
    device = devices.select_device(args.device)
    crops = 10 if device.type == "cuda" else 2
    first = measure("classifier, 5 × 256²", partial(classifier, 5), args, device, at_least=3)
    make = partial(segmentation, "resnet101", crops)
    second = measure(f"DeepLab ResNet-101, {crops} × 321²", make, args, device, at_least=2.5)
    make = partial(segmentation, "vgg16", crops)
    measure(f"DeepLab VGG16, {crops} × 321²", make, args, device, at_least=2.5)
    hours = 2 * (14 * 10582 / 5 * first + 10_000 * 10 / crops * second) / 3600
    what = "the paper's four trainings with ResNet-101, extrapolated from the steps"
    show("A full run", what, "hours", {"bfloat16": hours})


if __name__ == "__main__":
    main()
