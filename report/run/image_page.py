"""The page of an image in a report, and its pictures: what each stage made of it, over the photograph."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.files.dataset import PARTS, DataSet, Item
from common.files.images import legend, read_grey, read_indexed
from common.files.maps import has_maps, map_path, read_maps, stored_map
from common.files.photographs import fitted
from evaluate.labels import label_from_maps
from report.run.layers import write_label, write_map, write_photograph
from report.run.reading import Scored, titles_of
from report.run.templating import write_page
from report.tables.summary import further_labels
from stages.files import InputError

LONGEST, LONGEST_THUMBNAIL, LONGEST_MAP = 640, 256, 192  # pixels of a picture's longer side
PAGES = [("Overview", "index.html"), ("Gallery", "gallery.html")]
CLASS_MAPS = ("cam", "oa_cam", "cam_pyramid", "amn_cam")  # folders of a run that hold <id>_<class>.png


class Layer(NamedTuple):
    """Pictures that can be laid over the photographs of a split."""

    key: str  # "ground_truth", "saliency", or the folder of the run; of class maps with "/maps"
    title: str
    kind: str  # "label", "instances", "map", "class maps", or "thresholded": the label that class maps were scored as
    path: Path  # of the folder that is read
    threshold: float | None = None  # of class maps
    scored: bool = False
    folder: str = ""  # of its pictures, below those of the split


def layers_of(dataset: DataSet, run: Path, scored: Sequence[Scored], split: str, items: Sequence[Item]) -> list[Layer]:
    """The layers that any of the images has, in the method's order: ground truth, saliency, the run's maps and labels.

    scored: of this split. Variants of the method's folders, such as label_masked_kernel5, are shown if scored.
    """
    known = {each.folder: each for each in scored}
    titles = titles_of(run, [split])
    titles |= {name: name for name in further_labels(run) if name not in titles}
    titles |= {name: each.title for name, each in known.items() if name not in titles}
    layers = [
        Layer("ground_truth", "ground truth", "label", dataset.root / PARTS["ground_truth"][0]),
        Layer("saliency", "saliency", "map", dataset.root / PARTS["saliency"][0]),
    ]
    for name, title in titles.items():
        threshold = known[name].scores.get("threshold") if name in known else None
        if threshold is None and name not in CLASS_MAPS:
            layers.append(Layer(name, title, "label", run / name, scored=name in known))
            continue
        layers.append(Layer(f"{name}/maps", title, "class maps", run / name))
        if threshold is not None:
            title = f"{title}, threshold {threshold:g}"
            layers.append(Layer(name, title, "thresholded", run / name, threshold, scored=True))
    layers.append(Layer("instances", "instances (IRN)", "instances", run / "instances"))
    layers = [layer for layer in layers if any(has_picture(layer, item) for item in items)]
    # a folder of a run may have any name, those of pictures are part of addresses
    return [
        layer._replace(folder=f"{place:02d}_{re.sub('[^A-Za-z0-9_-]', '_', layer.key)}")
        for place, layer in enumerate(layers)
    ]


def has_picture(layer: Layer, item: Item) -> bool:
    """True if a layer has any file of an image."""
    maps = layer.kind in ("class maps", "thresholded")
    # False, not an error, in a folder that may not be read
    return has_maps(layer.path, item) if maps else os.path.isfile(layer.path / f"{item.id}.png")


def read_layer(dataset: DataSet, layer: Layer, item: Item, cls: int | None) -> np.ndarray:
    """An image in a layer, uint8 (H, W): a map 0 to 255; a label 0 to C, 255 ignore; or object numbers.

    cls: the 0-based class of class maps, which may be of any size; None for other kinds. Raises InputError if a file is
    missing or unusable.
    """
    path = layer.path / f"{item.id}.png"
    if layer.kind == "class maps":
        return stored_map(layer.path, item, cls)
    if layer.kind == "map":
        return dataset.same_size(read_grey(path), path, item.id)
    if layer.kind == "instances":
        return dataset.same_size(read_indexed(path), path, item.id)
    if layer.kind == "label":
        return dataset.checked_label(path, item.id)
    size = dataset.image_size(item.id)
    maps = read_maps(layer.path, item, size)
    if item.classes and not maps:
        raise InputError(f"{map_path(layer.path, item.id, item.classes[0])}: no such file")
    return label_from_maps(maps, size, layer.threshold)


def write_image(
    out: Path, run: str, dataset: DataSet, split: str, layers: list[Layer], image: tuple[Item, dict[str, dict | None]]
) -> dict[str, Any]:
    """Write an image's pictures below <out>/files/pictures/<split>/, and its page, <out>/images/<split>/<id>.html.

    layers: of the split; image: with {folder that is scored: its line of images.jsonl}. Returns what the gallery needs
    of it: id, classes, size (width, height), and for each layer the mIoU or None.
    """
    item, lines = image
    notes, views, rows, scores = [], [], [], []
    folder = out / "files" / "pictures" / split
    size = write_photographs(folder, dataset, item, notes)
    for layer in layers:
        line = lines[layer.key] if layer.scored else None
        scores.append(line and line["mean_iou"])
        rows += [(layer.title, line)] if line else []
        views += [view | {"iou": scores[-1]} for view in write_views(folder, dataset, item, layer, notes)]
    write_page(
        out / "images" / split / f"{item.id}.html",
        "image.html",
        **{"title": f"{item.id}, {run}", "run": run, "root": "../../", "pages": PAGES, "here": ""},
        **{"split": split, "id": item.id, "size": size, "notes": notes, "views": views, "rows": rows},
        open=([view for view in views if not view["map"]] or views or [None])[-1],
        classes=[dataset.classes[cls] for cls in item.classes],
        columns=[name for name in ["background", *dataset.classes] if any(name in row["class_iou"] for _, row in rows)],
        legend=legend(dataset.classes),
    )
    return {"id": item.id, "classes": item.classes, "size": size, "scores": scores}


def write_views(folder: Path, dataset: DataSet, item: Item, layer: Layer, notes: list[str]) -> list[dict[str, Any]]:
    """Write an image's pictures of a layer; returns how the page shows each. What cannot be read is left out, noted."""
    views, is_map = [], layer.kind in ("map", "class maps")
    for cls in item.classes if layer.kind == "class maps" else [None]:
        title = layer.title if cls is None else f"{layer.title}: {dataset.classes[cls]}"
        try:
            array = read_layer(dataset, layer, item, cls)
        except InputError as error:
            notes.append(f"{title}: {error}".replace(f"{layer.path.parent}/", ""))
            continue
        file = f"{layer.folder}/{item.id}{'' if cls is None else f'_{cls}'}.png"
        if is_map:
            write_map(folder / file, array, LONGEST_MAP)
        else:
            write_label(folder / file, array, LONGEST)
        view = layer.key if cls is None else f"{layer.key}:{cls}"
        views.append({"view": view, "title": title, "map": is_map, "file": file})
    return views


def write_photographs(folder: Path, dataset: DataSet, item: Item, notes: list[str]) -> tuple[int, int]:
    """Write a photograph and its thumbnail; returns (width, height) of the former. One that cannot be read is grey."""
    try:
        photograph = dataset.image(item.id)
    except InputError as error:
        notes.append(f"photograph: {error}")
        photograph = np.full((96, 128, 3), 128, np.uint8)
    for name, longest in (("photograph", LONGEST), ("thumbnail", LONGEST_THUMBNAIL)):
        write_photograph(folder / name / f"{item.id}.jpg", photograph, longest)
    return fitted(photograph.shape[:2], LONGEST)[::-1]
