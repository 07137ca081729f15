"""Speed of inference with random weights: python benchmarks/inference.py [--images 100]"""

import argparse
from functools import partial

import torch
from measurement import seconds, show
from trainings import random_deeplab

from cls.model import Classifier, ClassifierArch
from common.training import device as devices
from seg.deeplab import MultiScale

SECTION, CLASSES = "Inference", 20
SIZE, CAM_SIZE = (375, 500), (256, 256)


def compare_batches(name, network, size, batch_size, args):
    """Images a second of `network` on random images of `size`, one by one and in batches."""
    device = devices.select_device(args.device)
    network = devices.to_device(network.eval(), device)
    sides = {}
    with torch.inference_mode(), devices.autocast(device, args.amp):
        for count in (1, batch_size):
            batch = torch.randn(count, 3, *size).to(device, memory_format=torch.channels_last)
            sides[f"batches of {count}"] = count / seconds(partial(network, batch), -(-args.images // count))
    show(SECTION, f"{name} {size[1]}×{size[0]}", "images/s", sides)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="images per measurement")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction)
    args = parser.parse_args()
    torch.manual_seed(0)
    compare_batches("CAM", Classifier(ClassifierArch(classes=CLASSES)), CAM_SIZE, 16, args)
    for backbone in ("resnet101", "vgg16"):
        compare_batches(
            f"prediction, {backbone}, 3 scales,",
            MultiScale(random_deeplab(backbone=backbone, classes=CLASSES)),
            SIZE,
            8,
            args,
        )


if __name__ == "__main__":
    main()
