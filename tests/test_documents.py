"""The documents that are made of numbers and tables say what these say."""

import re
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


def test_the_tables_of_benchmarks_claim_nothing(tmp_path):
    lines = (ROOT / "docs/bench/lines.jsonl").read_text().splitlines()
    (tmp_path / "lines.jsonl").write_text(next(line for line in lines if "CRF with fewer classes" in line))
    none = ("--precision", tmp_path / "none", "--gpu", tmp_path / "none")
    run("benchmarks/page.py", "--lines", tmp_path / "lines.jsonl", "--out", tmp_path / "tables.md", *none)
    page = (tmp_path / "tables.md").read_text()
    prose = [line for line in page.splitlines() if not line.startswith(("| ", "on "))]
    assert re.findall(r"\d.*", "\n".join(prose)) == ["1 says that the second side is better."] and "GPU" not in page
