"""How fast inference is, with random weights, and whether its memory is flat: python benchmarks/inference.py
[--images 100]

Batch size 1 and the larger one take turns, image for image, so their ratio holds on a busy machine too.
"""

import argparse
import re
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from measurement import show

from common.training import checkpoint
from common.training import device as devices
from stages.parallel import cores, for_each

SECTION = "Inference"
CLASSES = 20
TINY = {"backbone": "vgg16", "classes": CLASSES, "channels": [4] * 5, "depths": [1] * 5, "fc_channels": 4, "rates": [1]}


def parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="a measurement")
    parser.add_argument("--batch-size", type=int, default=8, help="of the prediction, compared with 1")
    parser.add_argument("--cam-batch-size", type=int, default=16, help="of the CAMs, compared with 1")
    parser.add_argument("--size", type=int, nargs=2, default=[375, 500], metavar=("H", "W"), help="for DeepLab and CRF")
    parser.add_argument("--cam-size", type=int, default=256)
    parser.add_argument(
        "--tiny-images", type=int, nargs="*", default=[100, 1000], help="numbers of images for the memory"
    )
    parser.add_argument("--workers", type=int, default=min(8, cores()), help="processes, for the memory")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction)
    parser.add_argument("--only", nargs="*", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    return parser


def cam(args):
    from cls.model import Classifier, ClassifierArch

    compare_batches(
        "CAM",
        Classifier(ClassifierArch(classes=CLASSES)).eval(),
        (args.cam_size, args.cam_size),
        args.cam_batch_size,
        args,
    )


def deeplab(backbone, args):
    from seg.deeplab import MultiScale, build

    network = MultiScale(build(backbone=backbone, classes=CLASSES)).eval()
    for name, layer in network.named_modules():
        if name.endswith("increase.bn"):
            torch.nn.init.zeros_(layer.weight)  # random residuals, summed over 33 blocks, overflow
    compare_batches(f"prediction, {backbone}, 3 scales,", network, args.size, args.batch_size, args)


def compare_batches(name, network, size, batch_size, args):
    """Images a second of `network` on random images of `size`, one by one and in batches."""
    device = devices.select_device(args.device)
    network = devices.to_device(network, device)
    batch = torch.randn(batch_size, 3, *size).to(device, memory_format=torch.channels_last)
    rounds = -(-args.images // batch_size)
    seconds = {1: 0.0, batch_size: 0.0}
    with torch.inference_mode(), devices.autocast(device, args.amp):
        for number in range(rounds + 1):
            for images in seconds:
                start = time.perf_counter()
                for first in range(0, batch_size, images):
                    maps = network(batch[first : first + images])
                maps.float().sum().item()  # waits for the device
                if number > 0:  # the first round prepares kernels
                    seconds[images] += time.perf_counter() - start
    sides = {f"batches of {images}": rounds * batch_size / total for images, total in seconds.items()}
    show(SECTION, f"{name} {size[1]}×{size[0]}", "images/s", sides)


def crf(args):
    import cv2

    from common.crf.dense import DEFAULTS, dense_crf

    random = np.random.default_rng(0)
    height, width = args.size
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    logits = cv2.resize(random.normal(size=(height // 8, width // 8, CLASSES + 1)).astype(np.float32), (width, height))
    probabilities = torch.from_numpy(logits).permute(2, 0, 1).softmax(dim=0).numpy()
    apply = partial(dense_crf, image, **DEFAULTS)
    sides = {}
    for workers in sorted({1, cores()}):
        images, times = 4 * workers, []
        for _ in for_each(apply, (probabilities for _ in range(images)), workers, "CRF", images):
            times.append(time.perf_counter())
        # the processes start before the first is done
        sides[f"{workers} process{'es' * (workers > 1)}"] = (images - workers) / (times[-1] - times[workers - 1])
    show(SECTION, f"CRF with {CLASSES + 1} classes {width}×{height}", "images/s", sides)


def memory(args):
    """Peak memory of seg.predict's main process, each count in a process of its own."""
    peaks = {}
    for count in args.tiny_images:
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            peaks[f"{count} images"] = pool.submit(
                predict_tiny, Path(folder), count, args.workers, args.device
            ).result()
    show(SECTION, "peak memory of seg.predict with CRF, main process", "MiB", peaks)


def predict_tiny(folder, count, workers, device):
    """Predicts `count` drawn images of three sizes with CRF. Returns this process' peak memory in MiB."""
    from PIL import Image

    from seg import predict
    from seg.deeplab import MultiScale, build

    for name in ("JPEGImages", "lists", "pred"):
        (folder / name).mkdir()
    (folder / "classes.txt").write_text("".join(f"class{i}\n" for i in range(CLASSES)))
    (folder / "lists" / "test.txt").write_text("".join(f"{i}\n" for i in range(count)))
    for i in range(count):
        size = ((48, 64), (64, 48), (48, 60))[i % 3]
        Image.effect_noise(size, 64).convert("RGB").save(folder / "JPEGImages" / f"{i}.jpg")
    weights = folder / "weights.pth"
    checkpoint.save(weights, arch=TINY, pyramid=[0.5, 0.75], state_dict=MultiScale(build(**TINY)).state_dict())
    options = ["--data", folder, "--split", "test", "--weights", weights, "--out", folder / "pred", "--crf"]
    options += ["--workers", workers, "--device", device]
    predict.run(predict.parser().parse_args([str(option) for option in options]))
    # not getrusage: its peak starts with that of the process that started this one
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024


MEASUREMENTS = {
    "cam": cam,
    "resnet101": lambda args: deeplab("resnet101", args),
    "vgg16": lambda args: deeplab("vgg16", args),
    "crf": crf,
    "memory": memory,
}

if __name__ == "__main__":
    args = parser().parse_args()
    torch.manual_seed(0)
    for name in args.only:
        MEASUREMENTS[name](args)
