"""Compare two runs: what differs in arguments, inputs and versions, what became of the scores, and of which images.

Prints Markdown: first the differences of the records, then the scores of each stage and class, then the images that
gained and lost most in the last prediction that both runs have. With --out also a page, <out>/index.html, with pictures
of these images, and all numbers, <out>/compare.json. The runs need not have the same stages; scores are subtracted only
where both are those of the same images.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from report.compare_page import write_folder
from report.comparison import OTHER_IMAGES, Comparison, Moves, Row, compare
from report.differences import ARGUMENT, INPUT, VERSION
from report.folder import check_outside
from report.gallery import EVEN
from report.reading import data_of, read_stages
from report.templating import number, signed
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError

HEADINGS = {ARGUMENT: "Arguments", INPUT: "Inputs", VERSION: "Versions and machines"}
Table = tuple[list[str], list[list[str]]]  # head, body


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("a", type=Path, metavar="A", help="folder of a run")
    parser.add_argument("b", type=Path, metavar="B", help="folder of the other run; differences are B - A")
    parser.add_argument("--out", type=Path, help="folder of the page to write (default: none)")
    parser.add_argument(
        "--count", type=EVEN, default=12, help="how many images to show, even: half of them gained, half lost"
    )
    parser.add_argument("--data", type=Path, help="data set folder, for the pictures (default: the records')")
    return parser


def text_of(found: Comparison, count: int) -> str:
    """The whole comparison as Markdown, with count/2 gains and count/2 losses."""
    parts = [f"# A {plain(found.a)}, B {plain(found.b)}", *differences_text(found), *scores_text(found)]
    parts += moves_text(found, count)
    return "\n\n".join(parts)


def differences_text(found: Comparison) -> list[str]:
    """The paragraphs about the records."""
    parts = ["## What differs"]
    parts += [f"Only {name} has: {', '.join(map(plain, only))}." for name, only in zip("AB", found.only) if only]
    for kind, heading in HEADINGS.items():
        rows = [each for each in found.differences if each.kind == kind]
        body = [[each.where(found.common), each.name, each.a, each.b] for each in rows]
        if rows:
            parts += [f"### {heading}", markdown(["stages", kind, "A", "B"], body, 0)]
    if found.made:
        parts.append(f"Made in the runs, with other content: {', '.join(map(plain, found.made))}.")
    if not found.common:
        parts.append("The runs have no stage in common.")
    return parts if len(parts) > 1 else [*parts, "Nothing: the records have the same stages, arguments and inputs."]


def scores_text(found: Comparison) -> list[str]:
    """The paragraphs about scores: of each stage, and of each class where they can be compared."""
    if not found.rows:
        return ["Neither run has scores (seg.evaluate)."]
    head = ["stage", "split", "A", "B", "B - A", "simple", "complex"]
    body = []
    for row in found.rows:
        a, b, difference = row.values("mean_iou")
        kinds = [arrow(*row.values(kind, "mean_iou")) for kind in ("simple", "complex")]
        last = row.pair.problem or change(difference)
        body.append([row.title, row.pair.split, number(a), number(b), last, *kinds])
    parts = ["## Scores (mIoU, %)", markdown(head, body, 2)]
    if found.on_other_images:
        parts.append(f"{OTHER_IMAGES.capitalize()}: another split, or a data set of another content.")
    if comparable := found.comparable:
        names = [f"{row.pair.folder} {row.cut}".strip() for row in comparable]
        parts += ["## Classes (IoU in %, B - A)", markdown(["class", *names], class_rows(comparable), 1)]
    return parts


def class_rows(rows: Sequence[Row]) -> list[list[str]]:
    """A class a line: the differences of its IoU in each of the rows."""
    classes = dict.fromkeys(name for row in rows for name in row.classes)
    return [[name, *(change(row.values("class_iou", name)[2]) for row in rows)] for name in classes]


def moves_text(found: Comparison, count: int) -> list[str]:
    """The paragraphs about images."""
    if found.shown is None:
        return ["No stage has scores of the same single images in both runs (images.jsonl of seg.evaluate)."]
    parts = ["## Images that moved most (their own mIoU, %)", markdown(*stages_table(found.moves), 2)]
    gains, losses = found.shown.largest(count // 2)
    title = f"{plain(found.shown.title)} ({plain(found.shown.pair.split)})"
    for heading, moves in (("Gains", gains), ("Losses", losses)):
        body = [[move.id, number(move.a), number(move.b), signed(move.gain)] for move in moves]
        parts += [f"### {heading}, {title}", markdown(["image", "A", "B", "B - A"], body, 1) if body else "None."]
    return parts


def stages_table(found: Iterable[Moves]) -> Table:
    """How many images gained and lost in each stage, and which did most."""
    head = ["stage", "split", "images", "gained", "lost", "mean gain", "largest gain", "largest loss"]
    body = []
    for moves in found:
        most = [f"{each[0].id} {signed(each[0].gain)}" if each else "–" for each in moves.largest(1)]
        counts = [str(len(moves.images)), str(moves.gained), str(moves.lost), change(moves.mean)]
        body.append([moves.title, moves.pair.split, *counts, *most])
    return head, body


def arrow(a: float | None, b: float | None, difference: float | None) -> str:
    """ "61.20 → 63.00 (+1.80)"; a dash if neither run has the score."""
    if a is None and b is None:
        return "–"
    if difference == 0:
        return f"{number(a)} ="
    return f"{number(a)} → {number(b)}" + ("" if difference is None else f" ({signed(difference)})")


def change(difference: float | None) -> str:
    """A difference with its sign, "=" for none, so that what differs stands out."""
    return "=" if difference == 0 else signed(difference)


def plain(text: object) -> str:
    """A text that breaks no line or cell of Markdown, and moves no cursor on a terminal."""
    shown = "".join(character if character.isprintable() else "�" for character in str(text))
    return shown.replace("|", "\\|")


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], words: int) -> str:
    """A Markdown table with columns of even width; the first `words` are aligned left (0: all), numbers right."""
    rows = [[plain(cell) for cell in row] for row in (head, *body)]
    left = [not words or place < words for place in range(len(head))]
    widths = [max(3, *(len(row[place]) for row in rows)) for place in range(len(head))]

    def line(cells):
        padded = (cell.ljust(width) if side else cell.rjust(width) for cell, width, side in zip(cells, widths, left))
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if side else "-" * (width - 1) + ":" for width, side in zip(widths, left)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def main(args: argparse.Namespace) -> None:
    """Print the comparison; with --out write the page."""
    for run in (args.a, args.b):
        if not run.is_dir():
            raise InputError(f"{run}: no such folder")
    stages = read_stages(args.a), read_stages(args.b)
    found = compare(args.a, args.b, stages)
    dataset = data_of([*stages[0], *stages[1]], args.data) if args.out else None
    if args.out:
        folders = [run / stage.folder for run, of in zip((args.a, args.b), stages) for stage in of]
        check_outside(args.out, folders, dataset)
    summary = write_folder(args.out, found, args.count, dataset) if args.out else None
    print(text_of(found, args.count))
    if summary:
        print(f"\n{summary}")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
