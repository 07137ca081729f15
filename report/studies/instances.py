"""Print the average precision (AP) of a run's folders of instances as a table, in Markdown; write <run>/<name>.md.

A dash stands where nothing was run. There is a column for each IoU of the masks at which seg.evaluate_instances scored.
"""

import argparse
from pathlib import Path

import pandas as pd

from report.tables.table import markdown_table, scores_path
from stages.arguments import file_name
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output, read_json


def parser() -> argparse.ArgumentParser:
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
    return parser


def main(args: argparse.Namespace) -> None:
    """Write and print the table. Raises InputError if no row has scores, or a file holds no AP."""
    check_output(args.run / f"{args.name}.md")
    paths = {name: scores_path(args.run, folder) for name, folder in args.row}
    found = {}
    for name, path in paths.items():
        try:
            aps = read_json(path)["mean_ap"] if path.exists() else {}
            found[name] = pd.Series({float(threshold): float(ap) for threshold, ap in aps.items()}, dtype=float)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(f"{path}: expected the scores of seg.evaluate_instances, mean_ap among them") from None
    table = pd.DataFrame(found).T
    if table.empty:
        raise InputError(f"{args.run}: expected scores of seg.evaluate_instances of one of the rows, found none")
    body = [[name, *("–" if pd.isna(ap) else f"{ap:.1f}" for ap in row)] for name, row in table.iterrows()]
    text = f"**{args.title}** (AP, %)\n\n{markdown_table(['', *(f'IoU {each:g}' for each in table)], body)}"
    with atomic(args.run / f"{args.name}.md") as partial:
        partial.write_text(text)
    print(text)


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
