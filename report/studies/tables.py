"""Write the tables of a study over seeds, with their plots: means over seeds, paired differences and their intervals.

Reads the JSON lines of report.studies.collect; the same lines give the same text.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from report.studies import ablation, amn, fbr, irn, real
from report.studies.study import Study, Table, by_seed, interval, read_lines, scores, signed, spread
from report.tables.table import markdown_table
from stages.command import command_parser, run_command
from stages.files import InputError, check_output, write_text

STUDIES = {"ablation": ablation.STUDY, "amn": amn.STUDY, "fbr": fbr.STUDY, "irn": irn.STUDY, "real": real.STUDY}
HEAD = """# {title}

Seeds {seeds} of `{script}`. A seed changes {seed}.
Everything is in percent: mean ± standard deviation over the seeds; a difference is the mean of the seeds' paired
differences ± half its 95 % interval (Student's t), with the number of seeds in which it is above 0.

{about}

{origins}
"""


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--study", choices=STUDIES, required=True, help="which study the lines are of")
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="JSON lines of report.studies.collect")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write; plots go beside it")
    return parser


def cells(frame: pd.DataFrame, table: Table) -> dict[str, list[tuple[str, pd.Series]]]:
    """{label of a row: [(what names the scores of a cell, the scores), …]}, of the rows that have any."""
    rows = table.rows(frame) if callable(table.rows) else table.rows
    texts = {label: [cell.format(row=row) for _, cell in table.columns] for label, row in rows.items()}
    found = {label: [(text, scores(frame, text)) for text in row] for label, row in texts.items()}
    return {label: row for label, row in found.items() if any(len(values) for _, values in row)}


def shown(text: str, values: pd.Series) -> str:
    """A cell in Markdown. A row has no difference to itself; the paper's numbers and arguments know no seeds."""
    rows, key = text.split("; ", 1)
    row, *other = rows.split(" | ")
    if [row] == other:
        return ""
    if not len(values):
        return "–"
    if key == "paper":
        return format(values.iloc[0], "+.1f" if other else ".1f")
    if key.startswith("arguments, "):
        return values.iloc[0] if isinstance(values.iloc[0], str) else format(values.iloc[0], "g")
    return signed(values) if " | " in text else spread(values)


def section(frame: pd.DataFrame, table: Table, folder: Path) -> str:
    """Heading, rows and picture of a table in Markdown, with its seeds if others have more; "" without rows."""
    found = cells(frame, table)
    seeds = {seed for row in found.values() for _, values in row for seed in values.index}
    body = [[label, *(shown(*cell) for cell in row)] for label, row in found.items()]
    parts = [f"Seeds {' '.join(map(str, sorted(seeds)))} only.\n"] if found and seeds < {*frame.index} else []
    parts += [markdown_table(["", *(heading for heading, _ in table.columns)], body)] if found else []
    if table.picture and (folder / table.picture).is_file() and (found or not table.columns):
        parts.append(f"![{table.heading}]({table.picture})\n")
    return "\n".join([f"\n## {table.heading}\n", *parts]) if parts else ""


def page(study: Study, lines: list[dict], folder: Path) -> str:
    """All tables in Markdown, with what made the lines; `folder` holds the pictures."""
    frame = by_seed(study.prepare(lines))
    made_by = {(line["commit"] or "unknown", line["torch"], line["machine"]) for line in lines}
    origins = [
        f"- commit `{commit[:12]}`{' with changes' * commit.endswith('-dirty')}, PyTorch {torch}, {machine}"
        for commit, torch, machine in sorted(made_by, key=str)
    ]
    told = {"seed": study.seed, "seeds": " ".join(map(str, frame.index)), "origins": "\n".join(origins)}
    head = HEAD.format(title=study.title, script=study.script, about=study.about, **told)
    return head + "".join(section(frame, table, folder) for table in study.tables)


def plot(path: Path, frame: pd.DataFrame, table: Table) -> None:
    """Write a PNG of some columns: a row has a dot for each seed, and the mean ± deviation, or ± interval."""
    from matplotlib.figure import Figure  # slow to import

    from report.tables.gallery import write_figure

    rows, count = cells(frame, table), len(table.plotted)
    figure = Figure(figsize=(2 + 3.5 * count, 0.9 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots(1, count, sharey=True, squeeze=False)
    for axis, place in zip(axes[0], table.plotted, strict=True):
        for y, row in enumerate(rows.values()):
            text, values = row[place]
            if len(values):
                half = interval(values)[1] if " | " in text else values.std()
                axis.plot(values, np.full(len(values), y), "o", color="tab:grey", markersize=3, alpha=0.7)
                axis.errorbar(values.mean(), y, xerr=np.nan_to_num(half), fmt="D", color="tab:blue", capsize=3)
        axis.set(title=table.columns[place][0], yticks=range(len(rows)), yticklabels=rows)
        axis.grid(alpha=0.3)
    axes[0][0].invert_yaxis()  # the first row on top
    write_figure(path, figure)


def main(args: argparse.Namespace) -> None:
    """Write the page and its plots. Raises InputError if no line is of the study."""
    check_output(args.out, *args.results)
    study, lines = STUDIES[args.study], read_lines(args.results)
    named = study.prepare(lines)
    frame = by_seed(named) if named else pd.DataFrame()
    found = [table for table in study.tables if cells(frame, table)]
    if not found:
        raise InputError(f"{args.results[0]}: expected lines of {study.script}")
    for table in found:
        if table.plotted:
            check_output(args.out.with_name(table.picture), *args.results)
            plot(args.out.with_name(table.picture), frame, table)
    write_text(args.out, page(study, lines, args.out.parent))
    print(f"{len(lines)} lines -> {args.out}")


if __name__ == "__main__":
    run_command(main, parser())
