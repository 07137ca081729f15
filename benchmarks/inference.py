"""Speed of inference with random weights: python benchmarks/inference.py [--images 100]"""

import argparse
import time
from functools import partial

import numpy as np
import torch
from crf import draw_probabilities
from measurement import seconds, show
from trainings import random_deeplab

from cls.model import Classifier, ClassifierArch
from common.crf.dense import DEFAULTS, dense_crf
from common.training import device as devices
from seg.deeplab import MultiScale
from stages.parallel import cores, for_each

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


def crf():
    """Images a second of the dense CRF in one process and in as many as there are cores."""
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    probabilities = draw_probabilities(SIZE, 0)
    sides = {}
    for workers in sorted({1, cores()}):
        images, times = 4 * workers, []
        for _ in for_each(partial(dense_crf, image, **DEFAULTS), [probabilities] * images, workers, "CRF", images):
            times.append(time.perf_counter())
        # the processes start before the first is done
        sides[f"{workers} process{'es' * (workers > 1)}"] = (images - workers) / (times[-1] - times[workers - 1])
    show(SECTION, f"CRF with {CLASSES + 1} classes {SIZE[1]}×{SIZE[0]}", "images/s", sides)


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
    crf()


if __name__ == "__main__":
    main()
