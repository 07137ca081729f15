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
    run("benchmarks/report.py", "--out", tmp_path / "BENCHMARKS.md")
    assert (tmp_path / "BENCHMARKS.md").read_text() == (ROOT / "BENCHMARKS.md").read_text()


def test_the_table_of_bad_input_is_that_of_the_tests(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests")
    from test_bad_input import CASES, table

    text = (ROOT / "RELIABILITY.md").read_text()
    assert table() in text and f"tries the {len(CASES)} cases below" in text
