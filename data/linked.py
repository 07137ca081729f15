"""Checks, links, lists and the table of counts, shared by the commands that link folders into a data set."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from PIL import Image

from common.files.images import FORMATS, check_size, image_size
from stages.files import InputError, cite
from stages.progress import progress_bar

THREADS = 16  # they mostly wait for the disk
KINDS = {"P": ("ground truth", "an indexed (palette) PNG"), "L": ("saliency maps", "an 8-bit grey image")}  # by mode


def for_all(function: Callable[[Any], Any], ids: Sequence, what: str) -> list:
    """[function(id) for id in ids], in threads. Raises one InputError that counts the faults and cites the first."""

    def attempt(id):
        try:
            return function(id), None
        except InputError as error:
            return None, str(error)

    with ThreadPoolExecutor(THREADS) as pool:
        with progress_bar(f"checking {what}", len(ids)) as bar:
            results = []
            for result in pool.map(attempt, ids):
                results.append(result)
                bar.update()
    if faults := [fault for _, fault in results if fault]:
        raise InputError(f"{len(faults)} of {len(ids)} {what} missing or unusable: {cite(faults, '; ')}")
    return [result for result, _ in results]


def image_sizes(folder: Path, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """{id: (height, width)} of a folder of JPEGs. Raises InputError if images are missing or are no images."""
    return dict(zip(ids, for_all(lambda id: image_size(folder / f"{id}.jpg"), ids, "images")))


def check_pngs(folder: Path, ids: Sequence[str], sizes: dict[str, tuple[int, int]], mode: str) -> None:
    """Raises InputError unless each image has <id>.png of its size and of this mode of KINDS; reads headers only."""
    what, kind = KINDS[mode]

    def check(id):
        path = folder / f"{id}.png"
        size = image_size(path)
        with Image.open(path, formats=FORMATS) as image:
            if image.mode != mode:
                raise InputError(f"{path}: expected {kind}, found mode {image.mode}")
        check_size(path, size, sizes[id])

    for_all(check, ids, what)


def link(path: Path, target: Path) -> None:
    """A symbolic link to an absolute `target`, so that it holds wherever the command was started."""
    path.unlink(missing_ok=True)  # of an earlier run that was interrupted
    path.symlink_to(target)


def counts(labels: Sequence[Sequence[int]], classes: int) -> list[int]:
    """How many images are simple (one class), complex (several), and show each class, given each image's classes."""
    sizes, images_of = [len(own) for own in labels], Counter(chain.from_iterable(labels))
    return [sizes.count(1), sum(size > 1 for size in sizes), *(images_of[index] for index in range(classes))]


def table(names: Sequence[str], columns: Iterable[Sequence]) -> str:
    """A table for people with a row for each of `names`; the cells that a column lacks at its end are dashes."""
    rows = list(zip_longest(names, *columns, fillvalue="-"))
    first = max(map(len, names))
    others = max(9, *(len(str(cell)) for cell in rows[0][1:])) + 2
    return "\n".join(f"{name:<{first}}" + "".join(f"{cell:>{others}}" for cell in row) for name, *row in rows)
