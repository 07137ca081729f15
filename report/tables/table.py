"""Print a table of the paper next to this run's scores, in Markdown; write <run>/<name>.md, with --plot <name>.png.

A dash means not run. The rows are also written to <run>/<name>.json, for report.studies.collect. With --published, the
table includes the paper's rows of other methods, and a column that says which were run here. With --ap, the rows are
folders of instances, and each IoU of masks at which evaluate.instances scored one has a column.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluate.scores import read_scores
from report.tables.published import NOTES, PUBLISHED, Method
from stages.arguments import file_name
from stages.command import command_parser, run_command
from stages.files import InputError, check_output, read_json, write_json, write_text

Row = tuple[str, str, float | None]  # name, the paper's number as text, this run's mIoU in percent
QUOTED = (
    "“Ours” is the paper's method; the column “this run, val” was run here. All other numbers, on PASCAL VOC 2012, are "
    "quoted from Table {number} of the paper (Yao et al., CVPR 2021), in its order; a dash stands where it gives none. "
    "{note}"
)


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--name", type=file_name, required=True, help="output files in <run>, without ending")
    parser.add_argument("--title", required=True, help="title of the table")
    parser.add_argument(
        "--row",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "PAPER", "FOLDER"),
        help="a row: name, the paper's number, and folder of predictions or instances in <run>",
    )
    parser.add_argument("--paper-on", default="VOC 2012 val", help="data set of the paper's numbers")
    parser.add_argument(
        "--published",
        choices=PUBLISHED,
        help="table of the paper whose other rows are quoted; a --row with the paper's number on val stands in its "
        "place, any other comes last",
    )
    parser.add_argument(
        "--ap", action="store_true", help="average precision (AP) of instances instead of the mIoU, without the paper's"
    )
    parser.add_argument("--note", help="text below the table")
    parser.add_argument("--plot", metavar="LABEL", help="plot the mIoU over the rows' names, which must be numbers")
    return parser


def scores_path(run: Path, folder: Path | str) -> Path:
    """Where the scores of a folder of predictions lie: those of no_glore/pred1_val in no_glore/scores/pred1_val."""
    return run / Path(folder).parent / "scores" / Path(folder).name / "scores.json"


def score_of(run: Path, folder: Path | str) -> float | None:
    """The mIoU in percent that evaluate.labels wrote for <run>/<folder>, or None if it did not run."""
    path = scores_path(run, folder)
    return read_scores(path, ["mean_iou"])["mean_iou"] if path.exists() else None


def aps_of(run: Path, folder: Path | str) -> dict[float, str]:
    """{IoU of masks: AP in percent, as text} that evaluate.instances wrote for <run>/<folder>; {} if it did not run."""
    path = scores_path(run, folder)
    try:
        found = read_json(path)["mean_ap"] if path.exists() else {}
        return {float(threshold): f"{ap:.1f}" for threshold, ap in found.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected the scores of evaluate.instances, mean_ap among them") from None


def in_their_places(methods: list[Method], rows: Sequence[Row]) -> list[list[str]]:
    """The cells of a table of the paper, in its order, with this run's scores.

    A row whose number is that of one of the paper's own, which has no venue, belongs to it; the others come last.
    """
    left, found = list(rows), []
    for method in methods:
        run = next((row for row in left if not method.venue and row[1] == method.val), None)
        if run:
            left.remove(run)
        found.append((method, run and run[2]))
    found += [(Method(name, "", paper, ""), score) for name, paper, score in left]
    ran = [["–", "no"] if score is None else [f"{score:.1f}", "yes"] for _, score in found]
    return [[*(cell or "–" for cell in method), *cells] for (method, _), cells in zip(found, ran)]


def text_of(args: argparse.Namespace, rows: Sequence[Row]) -> str:
    """The table as Markdown, of the paper's numbers and this run's, with the notes below it."""
    measure, notes = "mIoU", []
    if args.ap:
        found = [(name, aps_of(args.run, folder)) for name, _, folder in args.row]
        thresholds = sorted({threshold for _, aps in found for threshold in aps})
        measure, head = "AP", ["", *(f"IoU {threshold:g}" for threshold in thresholds)]
        body = [[name, *(aps.get(threshold, "–") for threshold in thresholds)] for name, aps in found]
    elif args.published:
        head = ["method", "venue", "val (paper)", "test (paper)", "this run, val", "run here?"]
        number = args.published.removeprefix("table")
        body = in_their_places(PUBLISHED[args.published], rows)
        notes = [QUOTED.format(number=number, note=NOTES[args.published])]
    else:
        head = ["", f"paper, {args.paper_on}", "this run"]
        body = [[name, paper or "–", "–" if score is None else f"{score:.1f}"] for name, paper, score in rows]
    notes += [args.note] if args.note else []
    return f"**{args.title}** ({measure}, %)\n\n{markdown_table(head, body)}" + "".join(f"\n{note}\n" for note in notes)


def markdown_table(head: list[str], body: list[list[str]]) -> str:
    """Cells as a Markdown table; `body` is a list of rows."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def plot(path: Path, label: str, points: Sequence[tuple[float, float]], title: str) -> None:
    """Write a PNG of mIoU, in percent, over numbers."""
    from matplotlib.figure import Figure  # slow to import

    from report.tables.gallery import write_figure

    numbers, scores = zip(*points)
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(numbers, scores, marker="o")
    axes.set(title=title, xlabel=label, ylabel="mIoU (%)", xticks=numbers)
    axes.grid(alpha=0.3)
    write_figure(path, figure)


def main(args: argparse.Namespace) -> None:
    """Write and print the table. Raises InputError if --plot stands over names that are no numbers."""
    for ending in ("md", "json", "png"):
        check_output(args.run / f"{args.name}.{ending}")
    rows = [] if args.ap else [(name, paper, score_of(args.run, folder)) for name, paper, folder in args.row]
    try:
        points = [(float(name), score) for name, _, score in rows if score is not None] if args.plot else []
    except ValueError as error:
        raise InputError(f"--row: expected numbers as names, for --plot ({error})") from None
    text = text_of(args, rows)
    write_text(args.run / f"{args.name}.md", text)
    keys = ("row", "paper", "folder")
    write_json(args.run / f"{args.name}.json", [dict(zip(keys, row, strict=True)) for row in args.row])
    if points:
        plot(args.run / f"{args.name}.png", args.plot, points, args.title)
    print(text)


if __name__ == "__main__":
    run_command(main, parser())
