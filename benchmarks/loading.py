"""How fast images are read and augmented, and how long a training waits for them: python benchmarks/loading.py

On drawn JPEGs of 500x375 pixels with the datasets of the trainings.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from measurement import ROOT, show

from cls.dataset import TrainingImages
from common.files.dataset import DataSet
from common.training import loop as training
from common.training.crops import TrainingCrops
from common.training.loading import make_loader
from stages.parallel import cores

SECTION = "Reading images"


def speed(images, batch_size, workers):
    """Images a second, without the first batches, for which the processes start."""
    batches = training.ShuffledBatches(len(images), batch_size, 5 * len(images) // batch_size, seed=0)
    start, count = None, 0
    for number, _ in enumerate(make_loader(images, batches, workers, torch.device("cpu"))):
        if number == 4 * workers:
            start = time.perf_counter()
        elif start:
            count += batch_size
    return count / (time.perf_counter() - start)


def processor_time(images):
    """Milliseconds of a core for an image, in this process."""
    start = time.process_time()
    for position in range(len(images)):
        images[position, position]
    return 1e3 * (time.process_time() - start) / len(images)


def waiting(root, images):
    """The share of a real training's time that the network waited for images, as TensorBoard has it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = root / "cls"
    command = ["cls.train", "--data", root / "data", "--split", "all", "--epochs", 1, "--out", out]
    command += ["--workers", max(1, cores() // 2)]
    subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    return log.Scalars("waiting for data")[-1].value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([sys.executable, Path(__file__).with_name("draw.py"), root, str(args.images)], check=True)
        dataset = DataSet(root / "data")
        items = dataset.split("all")
        read, kept = (TrainingImages(dataset, items, 256, seed=0) for _ in range(2))
        read.squares = None  # so that each epoch is like the first
        processor_time(kept)
        times = {"first epoch": processor_time(read), "later epochs": processor_time(kept)}
        show(SECTION, "classifier, 256², jitter, processor time", "ms/image", times)
        crops = TrainingCrops(dataset, items, root / "pred", 321, (0.5, 0.75, 1, 1.25, 1.5), seed=0)
        for what, images, batch_size in (("classifier, 256², jitter", read, 5), ("DeepLab, crops of 321²", crops, 10)):
            sides = {f"{n} process{'es' * (n > 1)}": speed(images, batch_size, n) for n in sorted({1, cores()})}
            show(SECTION, what, "images/s", sides)
        share = {"of the time": 100 * waiting(root, args.images)}
        show(SECTION, "cls.train at the paper's size, waiting for data", "%", share, at_most=5)


if __name__ == "__main__":
    main()
