"""Print the average precision (AP) of a run's folders of instances as a table, in Markdown; write <run>/<name>.md.

A dash stands where nothing was run. There is a column for each IoU of the masks at which seg.evaluate_instances scored.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from report.tables.table import markdown_table, scores_path
from stages.arguments import file_name
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output, read_json

AP = dict[str, float]  # percent, by the IoU as text, such as "0.5"


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--name", type=file_name, required=True, help="of the file to write, without ending")
    parser.add_argument("--title", required=True)
    parser.add_argument(
        "--row",
        nargs=2,
        action="append",
        required=True,
        metavar=("NAME", "FOLDER"),
        help="a row: its name, and the folder of instances below <run>",
    )
    parser.add_argument("--note", help="a line below the table")
    return parser


def ap_of(run: Path, folder: Path | str) -> AP:
    """The AP at each IoU, over classes, that seg.evaluate_instances wrote for <run>/<folder>; empty if it did not run.

    Raises InputError if the file does not hold them.
    """
    path = scores_path(run, folder)
    if not path.exists():
        return {}
    scores = read_json(path)
    found = scores.get("mean_ap") if isinstance(scores, dict) else None
    if not (isinstance(found, dict) and found and all(map(is_ap, found.items()))):
        raise InputError(f"{path}: expected the scores of seg.evaluate_instances, mean_ap among them")
    return found


def is_ap(item: tuple[str, object]) -> bool:
    """Whether an entry of a JSON is a percentage at an IoU."""
    threshold, value = item
    try:
        return 0 < float(threshold) <= 1 and type(value) in (int, float) and 0 <= value <= 100
    except ValueError:
        return False


def markdown(title: str, rows: Sequence[tuple[str, AP]], note: str | None = None) -> str:
    """The table as Markdown, with a column for each IoU of any row, ascending. rows: (name, AP at each IoU)."""
    thresholds = sorted({threshold for _, found in rows for threshold in found}, key=float)
    body = [[name, *(f"{found[each]:.1f}" if each in found else "–" for each in thresholds)] for name, found in rows]
    text = f"**{title}** (AP, %)\n\n{markdown_table(['', *(f'IoU {each}' for each in thresholds)], body)}"
    return f"{text}\n{note}\n" if note else text


def main(args: argparse.Namespace) -> None:
    """Write and print the table. Raises InputError if no row has scores."""
    path = args.run / f"{args.name}.md"
    check_output(path)
    rows = [(name, ap_of(args.run, folder)) for name, folder in args.row]
    if not any(found for _, found in rows):
        raise InputError(f"{args.run}: expected scores of seg.evaluate_instances of one of the rows, found none")
    text = markdown(args.title, rows, args.note)
    with atomic(path) as partial:
        partial.write_text(text)
    print(text)


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
