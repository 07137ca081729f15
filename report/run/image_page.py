"""The page of an image in a report, and its pictures: what each stage made of it, over the photograph."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.dataset import PARTS, DataSet, Item
from common.images import read_grey, read_indexed
from common.maps import map_path, read_maps
from common.photographs import fitted
from report.run.layers import legend, write_label, write_map, write_photograph
from report.run.reading import Scored, titles_of
from report.run.templating import write_page
from report.tables.labels import further_labels
from seg.evaluate import label_from_maps
from stages.files import InputError

LONGEST, LONGEST_THUMBNAIL, LONGEST_MAP = 640, 256, 192  # pixels of a picture's longer side
PAGES = [("Overview", "index.html"), ("Gallery", "gallery.html")]
CLASS_MAPS = ("cam", "oa_cam", "cam_pyramid")  # folders of a run that hold <id>_<class>.png


class Layer(NamedTuple):
    """What there is of the images of a split, to lay over their photographs."""

    folder: str  # of its pictures, below those of the split
    key: str  # "ground_truth", "saliency", or the folder of the run; of class maps with "/maps"
    title: str
    kind: str  # "label", "instances", "map", "class maps", or "thresholded": the label that class maps were scored as
    path: Path  # of the folder that is read
    threshold: float | None = None  # of class maps
    scored: Scored | None = None


class Shown(NamedTuple):
    """An image that is shown."""

    split: str
    item: Item
    neighbours: tuple[str, str]  # ids of the images before and after it, in a circle
    layers: list[Layer]  # of the split
    scores: list[dict[str, Any] | None]  # of this image in each layer: its line of images.jsonl


def finite(value: object) -> float | None:
    """A score as it is, None for anything else that JSON may hold."""
    return value if isinstance(value, (int, float)) and abs(value) < 1e9 else None


def layers_of(dataset: DataSet, run: Path, scored: Sequence[Scored], split: str, items: Sequence[Item]) -> list[Layer]:
    """What there is of any of the images, in the method's order: ground truth, saliency, the run's maps and labels.

    scored: those of the split. Variants of the method's folders, such as label_masked_kernel5, are shown if scored.
    """
    own = {each.folder: each for each in scored}
    titles = titles_of(run, [split])
    titles |= {name: name for name in further_labels(run) if name not in titles}
    titles |= {name: each.title for name, each in own.items() if name not in titles}
    layers = [
        Layer("", "ground_truth", "ground truth", "label", dataset.root / PARTS["ground_truth"][0]),
        Layer("", "saliency", "saliency", "map", dataset.root / PARTS["saliency"][0]),
    ]
    for name, title in titles.items():
        each, path = own.get(name), run / name
        threshold = finite(each.scores.get("threshold")) if each else None
        if threshold is None and name not in CLASS_MAPS:
            layers.append(Layer("", name, title, "label", path, None, each))
            continue
        layers.append(Layer("", f"{name}/maps", title, "class maps", path))
        if threshold is not None:
            layers.append(Layer("", name, f"{title}, threshold {threshold:g}", "thresholded", path, threshold, each))
    layers.append(Layer("", "instances", "instances (IRN)", "instances", run / "instances"))
    layers = [layer for layer in layers if any(picture_paths(layer, item) for item in items)]
    # a folder of a run may have any name, those of pictures stand in addresses
    return [
        layer._replace(folder=f"{place:02d}_{re.sub('[^A-Za-z0-9_-]', '_', layer.key)}")
        for place, layer in enumerate(layers)
    ]


def picture_paths(layer: Layer, item: Item) -> list[Path]:
    """The files that are there of an image in a layer."""
    maps = layer.kind in ("class maps", "thresholded")
    paths = [map_path(layer.path, item.id, cls) for cls in item.classes] if maps else [layer.path / f"{item.id}.png"]
    return [path for path in paths if os.path.isfile(path)]  # which a folder that may not be read does not end


def read_layer(dataset: DataSet, layer: Layer, item: Item, cls: int | None) -> np.ndarray:
    """What a layer holds of an image, uint8 (H, W): a map 0 to 255; a label 0 to C, 255 ignore; or object numbers.

    cls: the 0-based class of class maps, which may be of any size; None for other kinds. Raises InputError if a file is
    missing or unusable.
    """
    path = layer.path / f"{item.id}.png"
    if layer.kind == "class maps":
        return read_grey(map_path(layer.path, item.id, cls))
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


def write_image(out: Path, run: str, dataset: DataSet, shown: Shown) -> dict[str, Any]:
    """Write an image's pictures below <out>/files/pictures/<split>/, and its page, <out>/images/<split>/<id>.html.

    Returns what the gallery needs of it: id, classes, size (width, height), for each layer the scores or None, and the
    places of the layers that are missing.
    """
    item, notes = shown.item, []
    folder = out / "files" / "pictures" / shown.split
    size = write_photographs(folder, dataset, item, notes)
    names = ["background", *dataset.classes]
    scores = [scores_of(line, names) for line in shown.scores]
    views = write_views(folder, dataset, shown, scores, notes)
    labels = [view for view in views if not view["map"]]
    rows = [{"title": layer.title, **found} for layer, found in zip(shown.layers, scores) if found]
    write_page(
        out / "images" / shown.split / f"{item.id}.html",
        "image.html",
        **{"title": f"{item.id}, an image of {run}", "run": run, "root": "../../", "pages": PAGES, "here": ""},
        **{"split": shown.split, "id": item.id, "neighbours": shown.neighbours, "size": size, "notes": notes},
        **{"views": views, "open": (labels or views or [None])[-1], "rows": rows, "names": names},
        classes=[dataset.classes[cls] for cls in item.classes],
        columns=sorted({cls for row in rows for cls in row["classes"]}),
        legend=legend(dataset.classes),
    )
    there = {(view["key"], view["cls"]) for view in views}
    missing = [place for place, layer in enumerate(shown.layers) if not there.issuperset(parts_of(layer, item))]
    return {"id": item.id, "classes": item.classes, "size": size, "scores": scores, "missing": missing}


def parts_of(layer: Layer, item: Item) -> list[tuple[str, int | None]]:
    """The pictures that a layer should have of an image, [(key of the layer, class or None)]."""
    return [(layer.key, cls) for cls in (item.classes if layer.kind == "class maps" else [None])]


def write_views(
    folder: Path, dataset: DataSet, shown: Shown, scores: Sequence[dict[str, Any] | None], notes: list[str]
) -> list[dict[str, Any]]:
    """Write the pictures of all layers; returns how the page shows each. What cannot be shown is left out and noted."""
    views = []
    for layer, found in zip(shown.layers, scores, strict=True):
        for key, cls in parts_of(layer, shown.item):
            title = layer.title if cls is None else f"{layer.title}: {dataset.classes[cls]}"
            try:
                array = read_layer(dataset, layer, shown.item, cls)
            except InputError as error:
                notes.append(f"{title}: {error}".replace(f"{layer.path.parent}/", ""))
                continue
            path = folder / layer.folder / f"{shown.item.id}{'' if cls is None else f'_{cls}'}.png"
            is_map = layer.kind in ("map", "class maps")
            if is_map:
                write_map(path, array, LONGEST_MAP)
            else:
                write_label(path, array, LONGEST)
            file = path.relative_to(folder).as_posix()
            views.append({"key": key, "cls": cls, "title": title, "map": is_map, "file": file})
            views[-1]["iou"] = found and found["mean"]
    return views


def write_photographs(folder: Path, dataset: DataSet, item: Item, notes: list[str]) -> tuple[int, int]:
    """Write a photograph and its thumbnail; returns (width, height) of the former.

    One that cannot be read is grey, and noted: what else there is of the image can be seen over it.
    """
    try:
        photograph = dataset.image(item.id)
    except InputError as error:
        notes.append(f"photograph: {error}")
        photograph = np.full((96, 128, 3), 128, np.uint8)
    for name, longest in (("photograph", LONGEST), ("thumbnail", LONGEST_THUMBNAIL)):
        write_photograph(folder / name / f"{item.id}.jpg", photograph, longest)
    return fitted(photograph.shape[:2], LONGEST)[::-1]


def scores_of(line: dict[str, Any] | None, names: Sequence[str]) -> dict[str, Any] | None:
    """The scores of an image in percent, {"mean", "ignored", "classes": {0 background, 1 to C: IoU}}.

    line: of images.jsonl, or None; names: those of background and classes.
    """
    if line is None:
        return None
    classes = {cls: finite(line["class_iou"][name]) for cls, name in enumerate(names) if name in line["class_iou"]}
    return {"mean": finite(line["mean_iou"]), "ignored": finite(line["ignored"]), "classes": classes}
