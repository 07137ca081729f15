"""Generated documents agree with the lines that they are made of."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_tables_of_benchmarks_come_from_the_lines_in_the_repository():
    command = [sys.executable, "benchmarks/page.py", "docs/bench/lines.jsonl"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert text == (ROOT / "docs/bench/tables.md").read_text()
