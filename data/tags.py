"""Tags of photographs from a CSV file, and the split into training and validation. For data.prepare_folder."""

import csv
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.dataset import numbered_lines
from common.files.photographs import Photograph
from stages.files import InputError, cite

LONGEST_NAME = 200  # of a class, as weight files hold it


class Tagged(NamedTuple):
    """A photograph and its classes."""

    id: str
    path: Path
    classes: tuple[int, ...]  # 0-based, ascending; empty without tags


def read_tags(path: Path) -> dict[str, list[str]]:
    """{file: its tags} of a CSV file with the columns file and tags, the tags separated by ";".

    The file is UTF-8, with or without a byte order mark. Raises InputError if it is unusable, lacks a column, names no
    file or one twice, or if a tag is not a valid class name.
    """
    found = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = rows.fieldnames or []
            if not {"file", "tags"} <= set(columns):
                raise InputError(f"{path}: expected the columns file and tags, found {', '.join(columns)!r:.80}")
            for row in rows:
                name, where = (row["file"] or "").strip(), f"{path} line {rows.line_num}"
                if not name:
                    raise InputError(f"{where}: expected the name of a file")
                if any(row.get(None, ())):
                    raise InputError(f"{where}: expected {len(columns)} cells, found more (tags have ; between them)")
                if name in found:
                    raise InputError(f"{where}: {name} stands in the table twice")
                tags = [tag.strip() for tag in (row["tags"] or "").split(";") if tag.strip()]
                found[name] = [check_name(tag, where) for tag in dict.fromkeys(tags)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected UTF-8 text") from None
    except csv.Error as error:
        raise InputError(f"{path}: expected CSV ({error})") from None
    if not found:
        raise InputError(f"{path}: expected at least one file below the line of column names")
    return found


def check_name(name: str, where: str) -> str:
    """Return the name if it is valid for a class. Raises InputError, whose message begins with `where`."""
    if len(name.splitlines()) != 1 or len(name) > LONGEST_NAME or name == "background":
        expected = f"class names of one line, at most {LONGEST_NAME} characters, none of them background"
        raise InputError(f"{where}: expected {expected}, found {name!r:.40}")
    return name


def class_names(tags: dict[str, list[str]], table: Path, path: Path | None = None) -> list[str]:
    """The class names: the lines of the file `path`, or without one all tags of the `table`, sorted.

    Raises InputError if the file is unusable or lacks a tag, or if there are not 1 to 254 classes.
    """
    names = used = sorted({tag for own in tags.values() for tag in own})
    if path is not None:
        names = [check_name(line, f"{path} line {number}") for number, line in numbered_lines(path)]
        if len(set(names)) < len(names):
            raise InputError(f"{path}: expected every class name once")
        if missing := [tag for tag in used if tag not in names]:
            raise InputError(f"{path}: expected every tag to be a class, {cite(missing)} is none")
    if not 1 <= len(names) <= 254:
        raise InputError(f"{path or table}: expected 1 to 254 classes, found {len(names)}")
    return names


def tagged(photographs: list[Photograph], tags: dict[str, list[str]], classes: list[str], table: Path) -> list[Tagged]:
    """The photographs that the table lists, in their own order, each with its classes.

    Names are compared in Unicode's composed form: macOS writes an accent as a character of its own. Raises InputError
    if the `table` names files that are not photographs of the folder.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    labels = {_composed(name): tuple(sorted(numbers[tag] for tag in own)) for name, own in tags.items()}
    by_name = {_composed(photograph.path.name): photograph for photograph in photographs}
    if missing := [name for name in tags if _composed(name) not in by_name]:
        folder = photographs[0].path.parent
        raise InputError(f"{table}: expected names of photographs in {folder}, found {cite(missing)}")
    return [Tagged(found.id, found.path, labels[name]) for name, found in by_name.items() if name in labels]


def _composed(name):
    return unicodedata.normalize("NFC", name)


def choose_validation(items: Sequence[Tagged], candidates: Collection[str], share: float, seed: int) -> set[str]:
    """Ids of the validation images: about `share` of the `items` and of those of each class, all from `candidates`.

    Every class keeps a training image, so there may be fewer. The same arguments choose the same images.
    """
    wanted = max(1, round(share * len(items))) if share else 0
    left = Counter(cls for item in items for cls in item.classes)  # for training
    quota = {cls: int(np.ceil(share * count)) for cls, count in left.items()}
    chosen = set()
    order = [items[index] for index in np.random.default_rng(seed).permutation(len(items))]
    for strict in (True, False):  # first as many of each class as the share says, then whatever may be taken
        for item in order:
            if len(chosen) == wanted:
                return chosen
            free = item.id in candidates and item.id not in chosen and all(left[cls] > 1 for cls in item.classes)
            if free and (not strict or all(quota[cls] > 0 for cls in item.classes)):
                chosen.add(item.id)
                left.subtract(item.classes)
                for cls in item.classes:
                    quota[cls] -= 1
    return chosen
