"""The gallery of a report and the pages of its images: which images are shown, their pictures and scores."""

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common.files.dataset import SAFE_ID, DataSet
from common.files.images import legend
from report.run.choice import choose
from report.run.image_page import PAGES, layers_of, write_image
from report.run.reading import Scored, read_stages
from report.run.templating import write_page
from stages.parallel import cores, map_each

MAKERS = re.compile(r"pseudo\..*|irn\.(seed|walk)|seg\.predict")  # commands that write labels or predictions


def write_gallery(
    out: Path, dataset: DataSet, run: Path, scored: list[Scored], count: int, workers: int | None = None
) -> dict[str, dict[str, int]]:
    """Write the gallery of a run, a page for each image that is shown, and the data that both need, below `out`.

    count: how many images are shown of each split at most. The splits are those of `scored`, or if nothing was scored
    those that the run's records of labels and predictions name. Returns {"shown": {split: images}, "images": {split:
    images}}. A picture that is missing or unusable is left out, and the image's page says so. Raises InputError if a
    split's list is unusable.
    """
    name, splits = run.resolve().name, []
    for split in splits_of(dataset, run, scored):
        members = [each for each in scored if each.split == split]
        items = dataset.split(split)
        chosen = choose(items, [mean_ious(each) for each in members], count)
        layers = layers_of(dataset, run, members, split, chosen)
        for folder in ("photograph", "thumbnail", *(layer.folder for layer in layers)):
            (out / "files" / "pictures" / split / folder).mkdir(parents=True)
        (out / "images" / split).mkdir(parents=True)
        known = {each.folder: {line["id"]: line for line in each.images} for each in members}
        images = [(item, {folder: lines.get(item.id) for folder, lines in known.items()}) for item in chosen]
        write = partial(write_image, out, name, dataset, split, layers)
        entries = map_each(write, images, workers or cores(), f"pictures of {split}")
        shown_layers = [{**layer._asdict(), "path": None} for layer in layers]
        splits.append({"name": split, "images": len(items), "layers": shown_layers, "items": list(entries)})
    (out / "files").mkdir(exist_ok=True)
    write_data(out / "files" / "data.js", {"classes": dataset.classes, "splits": splits})
    context = {"title": f"Images of {name}", "run": name, "pages": PAGES, "here": "Gallery"}
    write_page(out / "gallery.html", "gallery.html", **context, splits=splits, legend=legend(dataset.classes))
    return {
        "shown": {each["name"]: len(each["items"]) for each in splits},
        "images": {each["name"]: each["images"] for each in splits},
    }


def splits_of(dataset: DataSet, run: Path, scored: Sequence[Scored]) -> list[str]:
    """The splits of a gallery: those scored; without scores those that the records of labels and predictions name."""
    if scored:
        return list(dict.fromkeys(each.split for each in scored))
    named = [stage.arguments.get("split") for stage in read_stages(run) if MAKERS.fullmatch(stage.command)]
    names = [name for name in named if isinstance(name, str) and SAFE_ID.fullmatch(name)]
    return [name for name in dict.fromkeys(names) if (dataset.root / "lists" / f"{name}.txt").exists()]


def mean_ious(scored: Scored) -> dict[str, float]:
    """{id: mIoU in percent} of a folder's images, without those that have none."""
    return {line["id"]: line["mean_iou"] for line in scored.images if line["mean_iou"] is not None}


def write_data(path: Path, content: Any) -> None:
    """Write what the scripts read, as a script: a page opened from a disk may load no JSON.

    `<` is escaped, and all that is not ASCII, so that no text in it can end a script or a line.
    """
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(f"const REPORT = {text};\n")
