"""What the commands share that make a data set of folders which stay where they are: checks, links, lists."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from common.files.images import FORMATS, image_size
from stages.files import InputError, atomic
from stages.progress import progress_bar

CITED_FAULTS = 3
THREADS = 16  # they mostly wait for the disk


def each(function: Callable[[Any], Any], ids: Sequence, what: str) -> list:
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
    faults = [fault for _, fault in results if fault]
    if faults:
        rest = len(faults) - CITED_FAULTS
        cited = "; ".join(faults[:CITED_FAULTS]) + (f"; and {rest} more" if rest > 0 else "")
        raise InputError(f"{len(faults)} of {len(ids)} {what} missing or unusable: {cited}")
    return [result for result, _ in results]


def check_header(path: Path, mode: str, size: tuple[int, int]) -> None:
    """Raises InputError unless the image file is of that mode and (height, width); reads the header only."""
    found = image_size(path)
    with Image.open(path, formats=FORMATS) as image:
        if image.mode != mode:
            expected = {"L": "an 8-bit grey image", "P": "an indexed (palette) PNG"}[mode]
            raise InputError(f"{path}: expected {expected}, found mode {image.mode}")
    if found != size:
        raise InputError(f"{path}: expected the image's size {size[1]}x{size[0]}, found {found[1]}x{found[0]}")


def check_saliency(folder: Path, ids: Sequence[str], sizes: dict[str, tuple[int, int]]) -> None:
    """Raises InputError unless each image has an 8-bit grey saliency map of its size."""
    each(lambda id: check_header(folder / f"{id}.png", "L", sizes[id]), ids, "saliency maps")


def link(path: Path, target: Path) -> None:
    """A symbolic link with an absolute target, so that it holds wherever the command was started."""
    path.unlink(missing_ok=True)  # of an earlier run that was interrupted
    path.symlink_to(target.resolve(), target_is_directory=True)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines))
