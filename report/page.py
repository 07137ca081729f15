"""A page with a plot made of the lines of runs over seeds: what such reports share as commands."""

import argparse
from collections.abc import Callable
from pathlib import Path

from report.lines import link_to, read_lines
from stages.command import HelpFormatter, command_name
from stages.files import InputError, atomic, check_output


def page_parser(doc: str, lines: str) -> argparse.ArgumentParser:
    """Parser of a report; `doc` is the command's docstring, `lines` the command that writes the lines."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=doc, formatter_class=HelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help=f"JSON lines of {lines}")
    parser.add_argument(
        "--out", type=Path, required=True, help="Markdown file to write; the plot goes beside --results"
    )
    return parser


def write_page(
    args: argparse.Namespace,
    usable: Callable[[object], bool],
    expected: str,
    base: str,
    plot: Callable[[Path, list[dict]], None],
    report: Callable[[list[dict], str, bool], str],
    picture: str,
) -> None:
    """Write the report of the lines in --results, and its plot, differences.png beside them.

    `usable` says whether something read from JSON is such a line, `expected` what it should be; `base` is the row that
    the others are compared with. `plot(path, lines)` writes the plot, `report(lines, link, with_picture)` gives the
    Markdown text, with `picture` if that lies beside --results. Raises InputError if a line is of another kind, or
    none of the row `base`.
    """
    check_output(args.out, args.results)
    lines = read_lines([args.results], usable, expected)
    if base not in {line["row"] for line in lines}:
        raise InputError(f"{args.results}: expected lines of the row {base}, which the others are compared with")
    differences = args.results.with_name("differences.png")
    check_output(differences, args.out)
    plot(differences, lines)
    text = report(lines, link_to(args.results.parent, args.out), args.results.with_name(picture).exists())
    with atomic(args.out) as partial:
        partial.write_text(text)
    print(f"{len(lines)} lines -> {args.out}")
