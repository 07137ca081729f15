"""Print the label folders of a run that further label rules made, one name per line; scripts/summary.sh uses it.

These are its folders `label_*` except the method's own and their variants, such as label_masked_kernel5.
"""

import argparse
from pathlib import Path

from stages.command import command_parser, run_command
from stages.files import InputError

METHOD = ("label_initial", "label_pseudo", "label_seed", "label_irn", "label_masked")  # BE, POM; IRN's two; NSRM


def further_labels(folder: Path) -> list[str]:
    """The names `label_*` in `folder`, a run or its scores, that are neither of the method nor its variants, sorted.

    A variant is named after one of the method's folders, with `_` and a suffix: its place is in a table or a figure of
    its own (Table 4, Figure 6).
    """
    names = sorted(path.name for path in folder.glob("label_*") if path.is_dir())
    return [name for name in names if not any(f"{name}_".startswith(f"{own}_") for own in METHOD)]


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    return parser


def main(args: argparse.Namespace) -> None:
    """Print the names."""
    if not args.run.is_dir():
        raise InputError(f"{args.run}: no such folder")
    print(*further_labels(args.run), sep="\n")


if __name__ == "__main__":
    run_command(main, parser())
