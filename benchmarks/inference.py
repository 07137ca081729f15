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


def compare_batches(name, network, size, batch_size, images):
    """Images a second of `network` on random images of `size`, one by one and in batches."""
    device = devices.select_device("auto")
    network = devices.to_device(network.eval(), device)
    sides = {}
    with torch.inference_mode(), devices.autocast(device, None):
        for count in (1, batch_size):
            batch = torch.randn(count, 3, *size).to(device, memory_format=torch.channels_last)
            sides[f"batches of {count}"] = count / seconds(partial(network, batch), -(-images // count))
    show(SECTION, f"{name} {size[1]}×{size[0]}", "images/s", sides)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="images per measurement")
    images = parser.parse_args().images
    torch.manual_seed(0)
    compare_batches("CAM", Classifier(ClassifierArch(classes=CLASSES)), CAM_SIZE, 16, images)
    for backbone in ("resnet101", "vgg16"):
        network = MultiScale(random_deeplab(backbone=backbone, classes=CLASSES))
        compare_batches(f"prediction, {backbone}, 3 scales,", network, SIZE, 8, images)


if __name__ == "__main__":
    main()
