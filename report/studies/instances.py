"""Print the average precision (AP) of a run's folders of instances as a table, in Markdown; write <run>/<name>.md.

A dash stands where nothing was run. There is a column for each IoU of the masks at which evaluate.instances scored.
"""

import argparse
from pathlib import Path

from report.tables.table import markdown_table, scores_path
from stages.arguments import file_name
from stages.command import command_parser, run_command
from stages.files import InputError, check_output, read_json, write_text


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
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


def main(args: argparse.Namespace) -> None:
    """Write and print the table. Raises InputError if no row has scores, or a file holds no AP."""
    check_output(args.run / f"{args.name}.md")
    rows = {}
    for name, folder in args.row:
        path = scores_path(args.run, folder)
        try:
            aps = read_json(path)["mean_ap"] if path.exists() else {}
            rows[name] = {float(threshold): f"{ap:.1f}" for threshold, ap in aps.items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(f"{path}: expected the scores of evaluate.instances, mean_ap among them") from None
    thresholds = sorted({threshold for row in rows.values() for threshold in row})
    if not thresholds:
        raise InputError(f"{args.run}: expected scores of evaluate.instances of one of the rows, found none")
    head = ["", *(f"IoU {threshold:g}" for threshold in thresholds)]
    body = [[name, *(row.get(threshold, "–") for threshold in thresholds)] for name, row in rows.items()]
    note = f"\n{args.note}\n" if args.note else ""
    text = f"**{args.title}** (AP, %)\n\n{markdown_table(head, body)}{note}"
    write_text(args.run / f"{args.name}.md", text)
    print(text)


if __name__ == "__main__":
    run_command(main, parser())
