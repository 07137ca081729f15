"""Write the report of an ablation, with plots of its sweeps: means over seeds, paired differences and their intervals.

Reads the JSON lines of report.collect; the same lines give the same text. Runs of the setting `ablation` make the
tables of the paper; other settings, if there are any, the study of where each component helps.
"""

import argparse
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from report.lines import holds, interval, number, page_head, signed, spread
from report.lines import read_lines as lines_of_files
from report.tables.table import markdown_table, plot
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output

MAIN, SHARED = "ablation", "the same, these seeds"
NUMBER_OR_NONE, TEXT_OR_NONE = (int, float, type(None)), (str, type(None))
SCORES = {"mean_iou": NUMBER_OR_NONE, "ignored": NUMBER_OR_NONE, "false_negative": NUMBER_OR_NONE}
KEYS = {"setting": str, "table": str, "row": str, "paper": NUMBER_OR_NONE, "seed": int, "mean_iou": NUMBER_OR_NONE}
KEYS |= {"commit": TEXT_OR_NONE, "torch": TEXT_OR_NONE, "machine": TEXT_OR_NONE}
SWEEPS = {"fig6": "kernel size r (pixels)", "fig7": "nodes N"}
COMPONENTS = {  # of the study: what the row adds, the row it is compared with
    "GR": ("+ GR", "baseline"),
    "POM": ("+ GR + POM", "+ GR"),
    "NSRM": ("+ GR + POM + NSRM", "+ GR + POM + retrain"),
}

ABOUT = """
mIoU is on the validation images, unless a table says otherwise. The paper's numbers are those of PASCAL VOC 2012 val:
other data, another network. Only the signs can be compared.
"""

NOTES = {
    "table3": "GR: the classifier has GloRe. Retrain: a second round on the first round's predictions.",
    "controls": "The local unit stands where GloRe does and has the same batch norm and residual path, but each pixel "
    "is for itself: what GR gains over it is due to relating regions. Full supervision trains the same network on the "
    "ground truth.",
    "table4": "First each row against the row above, then each against NSRM.",
    "fig6": "The kernels are the paper's, scaled to the images' size.",
    "fig7": "The whole method with N nodes; the numbers are scaled to the trunk's width.",
    "fig5": "Training images of the first seed (`scripts/paper/fig5.sh`): of all complex images the four whose own "
    "mIoU gains most from the initial to the final prediction, and the four that lose most.",
    "labels": "mIoU over the pixels that are not ignored; the share of ignored pixels; the share of object pixels that "
    "a label calls background. Maps are cut at the best of nine thresholds, chosen on the ground truth.",
    "study": "GR is the difference of Table 3's rows baseline and + GR, POM of + GR and + GR + POM, NSRM of its row "
    "and + GR + POM + retrain. Below the tables' own data: Table 3 again where one choice behind the data is another "
    "(`scripts/study/toy_study.sh`). One seed has no interval: it shows a direction at most.",
}


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="JSON lines of report.collect")
    parser.add_argument(
        "--out", type=Path, required=True, help="Markdown file to write; plots go beside the first of --results"
    )
    return parser


def usable(line: object) -> bool:
    """Whether something read from JSON is a line of report.collect."""
    if not holds(line, KEYS):
        return False
    is_number = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", line["row"])
    complete = line["table"] != "labels" or all(holds(line.get(kind), SCORES) for kind in ("simple", "complex"))
    return complete and (line["table"] not in SWEEPS or is_number)


def read_lines(paths: Iterable[Path]) -> list[dict]:
    """The lines of all files as dictionaries. Raises InputError if a file is missing or a line is not of the kind."""
    return lines_of_files(paths, usable, f"JSON lines of report.collect, with {', '.join(sorted(KEYS))}")


class Rows:
    """The rows of one table of one setting: {row: {seed: line}}, in the order in which they come."""

    def __init__(self, lines: list[dict], setting: str, table: str):
        self.rows, self.paper = {}, {}
        for line in lines:
            if (line["setting"], line["table"]) == (setting, table):
                self.rows.setdefault(line["row"], {})[line["seed"]] = line
                self.paper[line["row"]] = line["paper"]

    def values(self, row: str, kind: str | None = None, score: str = "mean_iou") -> np.ndarray:
        """A score of each seed in ascending order, of all images or of a `kind` (simple, complex): float (S,)."""
        lines = [line for _, line in sorted(self.rows[row].items())]
        return np.array([(line[kind] if kind else line)[score] for line in lines], float)

    def differences(self, row: str, other: str) -> np.ndarray:
        """The paired differences of the mIoU, one for each seed that both rows have: float (S,)."""
        seeds = sorted(self.rows.get(row, {}).keys() & self.rows.get(other, {}).keys())
        return np.array([self.rows[row][s]["mean_iou"] - self.rows[other][s]["mean_iou"] for s in seeds], float)


def agreement(values: np.ndarray, paper_difference: float | None) -> str:
    """Whether the mean difference has the sign of the paper's, and whether its interval excludes 0."""
    if not len(values) or not paper_difference:
        return "–"
    mean, half = interval(values)
    sign = "yes" if mean * paper_difference > 0 else "no"
    return sign if abs(mean) > half else f"{sign}, but the interval holds 0"


def paper_table(rows: Rows, against_first: bool = False) -> str:
    """Markdown of a paper table; `against_first` compares with the first row instead of the row above."""
    other_name = "the first row" if against_first else "the row above"
    head = ["", "paper, VOC val", "here", f"paper, to {other_name}", f"here, to {other_name}", "the paper's sign"]
    body, previous = [], None
    for row in rows.rows:
        cells = [row, number(rows.paper[row]), spread(rows.values(row)), "", "", ""]
        if previous:
            values, paper = rows.differences(row, previous), (rows.paper[row], rows.paper[previous])
            difference = None if None in paper else paper[0] - paper[1]
            cells[3:] = [number(difference, "+"), signed(values), agreement(values, difference)]
        body.append(cells)
        previous = previous if previous and against_first else row
    return markdown_table(head, body)


def label_table(rows: Rows) -> str:
    """Markdown of the label sets' mIoU, ignored and missed pixels, simple and complex images apart."""
    scores = {"mIoU": "mean_iou", "ignored": "ignored", "missed": "false_negative"}
    head = ["", *(f"{name}, {kind}" for name in scores for kind in ("simple", "complex"))]
    body = [
        [row, *(spread(rows.values(row, kind, score)) for score in scores.values() for kind in ("simple", "complex"))]
        for row in rows.rows
    ]
    return markdown_table(head, body)


def sweep_table(rows: Rows) -> str:
    """Markdown of a figure's sweep: every value, and how far the best mean is above it, in pairs."""
    best = max(rows.rows, key=lambda row: rows.values(row).mean())
    body = [
        [row, str(len(seeds)), spread(rows.values(row)), signed(rows.differences(best, row)) if row != best else "best"]
        for row, seeds in rows.rows.items()
    ]
    return markdown_table(["", "seeds", "here", "the best is above it by"], body)


def study_table(lines: list[dict]) -> str:
    """Markdown of what each component adds in every setting.

    The setting of the tables comes first, once with all of its seeds and once with those that the others have too.
    """
    study = [line for line in lines if line["setting"] != MAIN]
    seeds = {line["seed"] for line in study}
    shared = [line | {"setting": SHARED} for line in lines if line["setting"] == MAIN and line["seed"] in seeds]
    lines, settings = lines + shared, [MAIN, SHARED, *sorted({line["setting"] for line in study})]
    head = ["setting", "seeds", "baseline", "whole method", *(f"{name} adds" for name in COMPONENTS)]
    body = []
    for setting in settings:
        rows = Rows(lines, setting, "table3")
        if {"baseline", "+ GR + POM + NSRM"} <= rows.rows.keys():
            ends = [rows.values(row) for row in ("baseline", "+ GR + POM + NSRM")]
            added = [signed(rows.differences(*pair)) for pair in COMPONENTS.values()]
            name = "as in the tables above" if setting == MAIN else setting
            numbers = " ".join(map(str, sorted(rows.rows["baseline"])))
            body.append([name, numbers, *map(spread, ends), *added])
    return markdown_table(head, body)


SECTIONS = [  # of the report: table, heading, what makes its text
    ("table3", "Table 3: components", paper_table),
    ("controls", "Controls", paper_table),
    ("table4", "Table 4: variants of NSRM", lambda rows: paper_table(rows) + "\n" + paper_table(rows, True)),
    ("fig6", "Figure 6: the kernel of NSRM", sweep_table),
    ("fig7", "Figure 7: the number of nodes", sweep_table),
    ("labels", "The labels on the way (training images)", label_table),
]


def report(lines: list[dict], pictures: str) -> str:
    """The whole Markdown text. `pictures` is the path of the plots' folder, as the text should link to it."""
    seeds = sorted({line["seed"] for line in lines if line["setting"] == MAIN})
    parts = [page_head("Results on the toy data", "scripts/study/ablation.sh", seeds, lines), ABOUT]
    for table, heading, text_of in SECTIONS:
        rows = Rows(lines, MAIN, table)
        if rows.rows:
            own = sorted(set().union(*rows.rows.values()))
            fewer = "" if own == seeds else f" Seeds {' '.join(map(str, own))} only."
            parts.append(f"\n## {heading}\n\n{NOTES[table]}{fewer}\n\n{text_of(rows)}")
            if table in SWEEPS:
                parts.append(f"\n![{heading}]({pictures}{table}.png)\n")
    parts.append(
        f"\n## Figure 5: on the way through the method\n\n{NOTES['fig5']}\n\n![Figure 5]({pictures}fig5.png)\n"
    )
    if Rows(lines, MAIN, "table3").rows:
        parts.append(f"\n## Where each component helps\n\n{NOTES['study']}\n\n{study_table(lines)}")
    return "".join(parts)


def main(args: argparse.Namespace) -> None:
    """Write the report and the plots. Raises InputError if no line is of the setting `ablation`."""
    check_output(args.out, *args.results)
    lines = read_lines(args.results)
    if MAIN not in {line["setting"] for line in lines}:
        raise InputError(f"{args.results[0]}: expected lines of the setting {MAIN} (report.collect --setting)")
    for table, label in SWEEPS.items():
        rows = Rows(lines, MAIN, table)
        if rows.rows:
            values = [(float(row), rows.values(row)) for row in rows.rows]
            points = [(x, v.mean(), v.std(ddof=1) if len(v) > 1 else 0) for x, v in values]
            plot(args.results[0].with_name(f"{table}.png"), label, points)
    pictures = os.path.relpath(args.results[0].parent.resolve(), args.out.parent.resolve())
    with atomic(args.out) as partial:
        partial.write_text(report(lines, "" if pictures == "." else f"{pictures}/"))
    print(f"{len(lines)} lines -> {args.out}")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
