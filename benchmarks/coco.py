"""The method at MS COCO 2014's size: preparation, stages, skips of finished ones, an epoch's order, CRF of 81 classes.

python benchmarks/coco.py [--images N] [--folder DIR]

On made photographs of 16 to 24 pixels a side, see coco_data.py, in a temporary folder: so the times are those of many
files, not of pixels. The memory is that of all processes of a command together, looked at fifty times a second; of the
CRF what one process has for itself at most.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import coco_data
import numpy as np
from measurement import ROOT, show

SECTION = "MS COCO's size"
IMAGES = sum(count for count, _ in coco_data.COUNTS.values())
SKIP = 3  # s, at most, for a stage that is finished
PAUSE = 61  # s, after which this system has dropped what it knew of the files
MEMORY = 16 * 1024  # MiB, at most, for any stage
CRF_SIZE = (480, 640)
CRF_CLASSES = 81
MIN_PROBABILITIES = (0, 0.01, 0.05, 0.2)


def parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--images", type=int, default=IMAGES, help="photographs in all, of which a third for validation"
    )
    parser.add_argument("--folder", type=Path, help="where to make them (default: the system's temporary folder)")
    return parser


def call(folder, module, **arguments):
    """Runs a command in `folder`. Returns (seconds, MiB of all its processes at most, what it printed)."""
    command = [sys.executable, "-m", module]
    for name, value in arguments.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        said.seek(0)
        text = said.read().decode()
    if process.returncode:
        sys.exit(f"{' '.join(command)}:\n{text}")
    return seconds, peak, text


def memory_of(session):
    """MiB that the processes of a session hold now."""
    pages = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended
            continue
        pages += int(fields[21]) if int(fields[3]) == session else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def show_stage(folder, what, module, pause=0, **arguments):
    """Shows time and memory of a stage, and the time of starting it again when it is finished, also after a pause."""
    seconds, memory, _ = call(folder, module, **arguments)
    show(SECTION, f"{module}, {what}", "s", {"time": seconds})
    show(SECTION, f"{module}, {what}", "MiB", {"memory": memory}, at_most=4096 if "prepare" in module else MEMORY)
    show_skip(folder, module, pause, **arguments)


def show_skip(folder, module, pause=0, **arguments):
    """Shows the time of starting a finished stage, the slower of two; before them the one after a pause, in seconds."""

    def start():
        seconds, _, said = call(folder, module, **arguments)
        if "nothing to do" not in said:
            sys.exit(f"{module}: expected it to be finished\n{said}")
        return seconds

    time.sleep(pause)
    sides = {f"after {pause} s": start()} if pause else {}
    sides["at once"] = max(start(), start())
    show(SECTION, f"{module}, finished: start", "s", sides, at_most=SKIP)


def show_made(folder, fill, module, **arguments):
    """Shows the start of a stage and of the finished one, whose output `fill(out)` writes in the place of the stage."""
    from stages.record import Stage

    before = Path.cwd()
    os.chdir(folder)  # records hold relative paths
    stage = import_module(module)
    parser = stage.parser()
    flags = [text for name, value in arguments.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    args = parser.parse_args(flags)
    start = time.perf_counter()
    record = Stage(module, args, selections_of(module, args))
    seconds = time.perf_counter() - start
    record.begin()
    fill(args.out)
    record.finish("made by a benchmark")
    record.release()
    os.chdir(before)
    show(SECTION, f"{module}, first start: fingerprints of what it reads", "s", {"time": seconds})
    show_skip(folder, module, **arguments)


def selections_of(module, args):
    """What the stages that are recorded here declare to read of the data set."""
    from common.files.dataset import reads

    parts = {"cls.train": ["images"], "seg.predict": ["images"], "pseudo.background": ["images", "saliency"]}
    return reads(*parts[module])(args)


def make(folder, images):
    """Makes photographs, annotations and saliency, and shows data.prepare_coco14; returns the Originals."""
    from data.coco import CLASSES

    photographs, originals = coco_data.draw(images), coco_data.Originals(folder / "originals")
    coco_data.write_photographs(folder / "images", photographs, originals)
    coco_data.write_saliency(folder / "saliency", photographs, originals)
    sizes = coco_data.write_annotations(folder / "annotations", photographs, CLASSES)
    objects = sum(len(each.objects) for own in photographs.values() for each in own)
    what = f"{images} images, {objects} objects, {sum(sizes.values()) / 2**20:.0f} MiB of annotations"
    inputs = {"images": "images", "annotations": "annotations", "saliency": "saliency"}
    show_stage(folder, what, "data.prepare_coco14", **inputs, out="data")
    return originals


def measure_stages(folder, originals):
    """Shows labels, scores, and the start of finished stages; returns the training images and the number of classes."""
    from common.files.dataset import DataSet

    dataset = DataSet(folder / "data")
    train, val = dataset.split("train"), dataset.split("val")

    def attention(out):
        coco_data.write_maps(out / "attention", train, originals)

    def masks(items, out):
        names = [f"{item.id}.png" for item in items]
        coco_data.link_all(out, names, [folder / "data/SegmentationClass" / name for name in names])

    (folder / "weights.pth").write_bytes(b"made")
    maps = sum(len(item.classes) for item in train)
    on_train, on_val = {"data": "data", "split": "train"}, {"data": "data", "split": "val"}
    show_made(folder, attention, "cls.train", **on_train, init="weights.pth", out="run/cls")
    cams = {"oa_cam": "run/cls/attention"}
    show_made(folder, partial(masks, train), "pseudo.background", **on_train, **cams, out="run/label")
    show_made(folder, partial(masks, val), "seg.predict", **on_val, weights="weights.pth", out="run/pred")
    inputs = {"label": "run/label", "cam": "run/cls/attention"}
    show_stage(folder, f"{len(train)} labels, {maps} maps", "pseudo.pom", PAUSE, **on_train, **inputs, out="run/pom")
    show_stage(folder, f"{len(val)} images", "evaluate.labels", **on_val, pred="run/pred", out="run/scores")
    return train, len(dataset.classes)


def measure_training(items, classes):
    """Shows the order of an epoch, and what the attention of all images takes."""
    from cls.attention import AttentionAccumulator
    from common.training.loop import ShuffledBatches

    batch_size = 10
    batches = -(-len(items) // batch_size)
    start = time.perf_counter()
    order = list(ShuffledBatches(len(items), batch_size, batches, seed=0, whole_epochs=True))
    seconds = time.perf_counter() - start
    if len({index for batch in order for _, index in batch}) < len(items):
        sys.exit("expected each image once in an epoch")
    show(SECTION, f"order of an epoch, {len(items)} images in batches of {batch_size}", "s", {"time": seconds})
    late = ShuffledBatches(len(items), batch_size, 15 * batches, seed=0, start=14 * batches, whole_epochs=True)
    start = time.perf_counter()
    next(iter(late))
    show(SECTION, "first batch of the 15th epoch, resumed", "s", {"time": time.perf_counter() - start})
    attention = AttentionAccumulator(items, classes, 32)
    tensors = attention.maps, attention.rows, attention.stored
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 2**20
    maps = len(attention.maps) - 1
    show(SECTION, f"accumulated attention, {maps} maps of 32×32, and their table", "MiB", {"memory": size})


def label_with_crf(backend, least):
    """(seconds, MiB of its own at most, classes left, label) of a made image's logits: resized, softmax, CRF."""
    from crf import draw_logits, drawn_images, resized_softmax, status

    from common.crf.dense import DEFAULTS, dense_crf, likely_classes
    from seg.inference import label_from_logits

    os.environ["OMP_NUM_THREADS"] = "1"
    small = np.zeros((8, 8, 3), np.uint8), np.full((2, 8, 8), 0.5, np.float32)
    dense_crf(*small, **DEFAULTS, backend=backend)  # whatever is loaded late
    *_, (_, image) = drawn_images(CRF_SIZE)  # the noisy one
    logits = draw_logits(CRF_SIZE, 0, hard=False, classes=CRF_CLASSES)
    start = time.perf_counter()
    label = label_from_logits(image, logits, {**DEFAULTS, "backend": backend, "min_probability": least})
    seconds = time.perf_counter() - start
    memory = status("VmHWM") - status("RssFile")  # files' pages are shared by all processes
    return seconds, memory, int(likely_classes(resized_softmax(logits, CRF_SIZE), least).sum()), label


def measure_crf():
    """Shows the CRF of 81 classes with fewer and fewer of them, each in a process of its own."""
    from common.crf.dense import choose_backend

    backends = ["lattice", *(["pydensecrf"] if choose_backend("auto") == "pydensecrf" else [])]
    size = f"{CRF_CLASSES} classes, {CRF_SIZE[1]}×{CRF_SIZE[0]}"
    for backend in backends:
        found = {}
        for least in MIN_PROBABILITIES:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found[least] = pool.submit(label_with_crf, backend, least).result()
        for least in MIN_PROBABILITIES[1:]:
            pairs = zip(found[0][:2], found[least][:2], ("s", "MiB"))
            what = f"{backend}, {size}, minimum probability {least}"
            for whole, part, unit in pairs:
                show("CRF of 81 classes", what, unit, {"all": whole, f"{found[least][2]} classes left": part})
            changed = 100 * float((found[0][3] != found[least][3]).mean())
            show("CRF of 81 classes", f"{what}, changed labels", "%", {"fewer classes": changed})


def main(args):
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        originals = make(Path(folder), args.images)
        measure_training(*measure_stages(Path(folder), originals))
    measure_crf()


if __name__ == "__main__":
    main(parser().parse_args())
