"""The documents that are made of numbers and tables say what these say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command):
    result = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_benchmarks_come_from_the_lines_in_the_repository(tmp_path):
    run("benchmarks/page.py", "--out", tmp_path / "tables.md")
    assert (tmp_path / "tables.md").read_text() == (ROOT / "docs/bench/tables.md").read_text()
