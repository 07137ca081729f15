"""Print the tables of benchmarks' lines, the last line of each measurement: python benchmarks/page.py FILE …"""

import json
import sys
from pathlib import Path

from measurement import ROOT  # noqa: F401  (makes the packages importable)

from report.tables.table import markdown_table

HEAD = """# Benchmarks: tables

Made by `scripts/bench.sh`; [benchmarks.md](../benchmarks.md) explains them. The two sides of a ratio were measured in
one run; a ratio above 1 means that the second side is better.
"""


def table(lines):
    """Markdown of some lines, with their machines."""
    body = []
    for line in lines:
        sides = [f"{name}: {value:g} {line['unit']}" for name, value in line["sides"].items()]
        sides = [", ".join(sides), ""] if len(sides) > 2 else [*sides, "", ""][:2]
        target = f"{line['target']}, {'met' if line['met'] else 'missed'}" if "target" in line else ""
        what = ": ".join(part for part in (line["what"], line.get("note")) if part)
        body.append([what, *sides, str(line.get("ratio", "")), target])
    text = markdown_table(["", "one side", "the other", "ratio", "target"], body)
    return f"{text}\non {', '.join(dict.fromkeys(line['machine'] for line in lines))}\n"


def page(lines):
    """Markdown: a table for each section."""
    last = {(line["section"], line["what"], line["unit"]): line for line in lines}.values()
    sections = {}
    for line in last:
        sections.setdefault(line["section"], []).append(line)
    return HEAD + "".join(f"\n## {section}\n\n{table(found)}" for section, found in sections.items())


if __name__ == "__main__":
    print(page([json.loads(line) for path in sys.argv[1:] for line in Path(path).read_text().splitlines()]), end="")
