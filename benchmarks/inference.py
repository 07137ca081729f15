"""Speed of inference with random weights, and whether its memory is flat: python benchmarks/inference.py [--images 100]"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from crf import draw_probabilities
from measurement import alone, seconds, show, status
from PIL import Image

from cls.model import Classifier, ClassifierArch
from common.crf.dense import DEFAULTS, dense_crf
from common.training import checkpoint
from common.training import device as devices
from seg import predict
from seg.deeplab import MultiScale, build
from stages.parallel import cores, for_each

SECTION, CLASSES = "Inference", 20
SIZE, CAM_SIZE = (375, 500), (256, 256)
TINY = {"backbone": "vgg16", "classes": CLASSES, "channels": [4] * 5, "depths": [1] * 5, "fc_channels": 4, "rates": [1]}


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


def deeplab(backbone):
    """DeepLab of random weights; random residuals would overflow, summed over 33 blocks."""
    network = build(backbone=backbone, classes=CLASSES)
    for name, layer in network.named_modules():
        if name.endswith("increase.bn"):
            torch.nn.init.zeros_(layer.weight)
    return MultiScale(network)


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


def predict_tiny(count, device):
    """Predict `count` tiny images with CRF. Returns this process' peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in ("JPEGImages", "lists", "pred"):
            (folder / name).mkdir()
        (folder / "classes.txt").write_text("".join(f"class{i}\n" for i in range(CLASSES)))
        (folder / "lists" / "test.txt").write_text("".join(f"{i}\n" for i in range(count)))
        for i in range(count):
            size = ((48, 64), (64, 48), (48, 60))[i % 3]
            Image.effect_noise(size, 64).convert("RGB").save(folder / "JPEGImages" / f"{i}.jpg")
        network = MultiScale(build(**TINY))
        checkpoint.save(folder / "tiny.pth", arch=TINY, pyramid=[0.5, 0.75], state_dict=network.state_dict())
        options = ["--data", folder, "--split", "test", "--weights", folder / "tiny.pth", "--out", folder / "pred"]
        options += ["--crf", "--device", device]
        predict.run(predict.parser().parse_args([str(option) for option in options]))
    return status("VmHWM")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="images per measurement")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction)
    args = parser.parse_args()
    torch.manual_seed(0)
    compare_batches("CAM", Classifier(ClassifierArch(classes=CLASSES)), CAM_SIZE, 16, args)
    for backbone in ("resnet101", "vgg16"):
        compare_batches(f"prediction, {backbone}, 3 scales,", deeplab(backbone), SIZE, 8, args)
    crf()
    peaks = {f"{count} images": alone(predict_tiny, count, args.device) for count in (100, 1000)}
    show(SECTION, "peak memory of seg.predict with CRF, main process", "MiB", peaks)


if __name__ == "__main__":
    main()
