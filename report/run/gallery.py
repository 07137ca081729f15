"""The gallery of a report and the pages of its images: which images are shown, their pictures and scores."""

import json
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common.dataset import SAFE_ID, DataSet, Item
from report.run.choice import choose
from report.run.image_page import PAGES, Layer, Shown, finite, layers_of, write_image
from report.run.layers import legend
from report.run.reading import Scored, read_stages
from report.run.templating import TEMPLATES, copy_assets, write_page
from stages.files import atomic
from stages.parallel import cores, for_each

ASSETS = ("gallery.css", "order.js", "gallery.js", "viewer.js")
CHOICE = (
    "those that gain and lose most from each stage to the next, the best and worst of the last stage, and an even "
    "sample of each class and of the list"
)
MAKERS = re.compile(r"pseudo\..*|irn\.(seed|walk)|seg\.predict")  # commands that write labels or predictions


def write_gallery(
    out: Path, dataset: DataSet, run: Path, scored: list[Scored], count: int, workers: int | None = None
) -> dict[str, dict[str, int]]:
    """Write the gallery of a run, a page for each image that is shown, and the files that both need, below `out`.

    count: how many images are shown of each split at most. The splits are those of `scored`, or if nothing was scored
    those that the run's records of labels and predictions name. Returns {"shown": {split: images}, "images": {split:
    images}}. A picture that is missing or unusable is left out, and the image's page says so. Raises InputError if a
    split's list is unusable.
    """
    name = run.resolve().name
    splits = []
    for split in splits_of(dataset, run, scored):
        own = [each for each in scored if each.split == split]
        items = dataset.split(split)
        chosen = choose(items, [mean_ious(each) for each in own], count)
        layers = layers_of(dataset, run, own, split, chosen)
        for folder in ("photograph", "thumbnail", *(layer.folder for layer in layers)):
            (out / "files" / "pictures" / split / folder).mkdir(parents=True)
        (out / "images" / split).mkdir(parents=True)
        draw = partial(write_image, out, name, dataset)
        entries = for_each(draw, list(images_of(split, chosen, layers)), workers or cores(), f"pictures of {split}")
        splits.append(
            {
                "name": split,
                "images": len(items),
                "choice": CHOICE if len(chosen) < len(items) else "",
                "layers": [{**each._asdict(), "path": None, "scored": each.scored is not None} for each in layers],
                "items": list(entries),
            }
        )
    copy_assets(out)
    write_data(out / "files" / "data.js", {"classes": dataset.classes, "splits": splits})
    for asset in ASSETS:
        shutil.copyfile(TEMPLATES / asset, out / "files" / asset)
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
    values = {line["id"]: finite(line["mean_iou"]) for line in scored.images}
    return {id: value for id, value in values.items() if value is not None}


def images_of(split: str, items: Sequence[Item], layers: Sequence[Layer]) -> list[Shown]:
    """The images as their pages need them, each with its own scores and its neighbours in the list."""
    lines = [{line["id"]: line for line in layer.scored.images} if layer.scored else {} for layer in layers]
    plain = [layer._replace(scored=None) for layer in layers]  # other images' scores are not sent to the processes
    images = []
    for place, item in enumerate(items):
        neighbours = items[place - 1].id, items[(place + 1) % len(items)].id
        images.append(Shown(split, item, neighbours, plain, [found.get(item.id) for found in lines]))
    return images


def write_data(path: Path, content: Any) -> None:
    """Write what the scripts read, as a script: from a disk a page may load no JSON.

    `<`, U+2028 and U+2029 are escaped, so that no text in it can end a script or a line.
    """
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")  # ASCII, so without U+2028 and U+2029
    with atomic(path) as partial:
        partial.write_text(f"const REPORT = {text};\n")
