"""Lines of runs become tables: each number against one computed by hand, for each study, and for those committed."""

import json
from pathlib import Path

import numpy as np
import pytest

from report.studies.study import by_seed, interval, read_lines, scores, signed, spread
from report.studies.tables import STUDIES, main, page, parser

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = {
    "amn": (["docs/fbr/amn.jsonl"], "docs/fbr/amn_tables.md"),
    "ablation": (["docs/ablation.jsonl", "docs/study.jsonl"], "docs/results.md"),
    "fbr": (["docs/fbr/results.jsonl"], "docs/fbr/tables.md"),
    "irn": (["docs/irn/results.jsonl"], "docs/irn/tables.md"),
    "real": (["docs/real/results.jsonl"], "docs/real/tables.md"),
}


def line(row, seed, **scores):
    return {"row": row, "seed": seed, "commit": "c" * 40, "torch": "2", "machine": "M"} | scores


def labels(value):
    return {"mean_iou": value, "ignored": 7.0, "false_negative": 3.0}


@pytest.fixture
def table(tmp_path):
    """`table(study, lines, heading)`: the rows of a table of the page that the command writes, {label: cells}."""

    def run(study, lines, heading):
        (tmp_path / "r.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        out = tmp_path / "out.md"
        main(parser().parse_args(["--study", study, "--results", str(tmp_path / "r.jsonl"), "--out", str(out)]))
        text = out.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
        rows = [row[2:-2].split(" | ") for row in text.splitlines() if row.startswith("| ")]
        return {label: cells for label, *cells in rows[2:]} | {"text": text}

    return run


def test_statistics():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert interval(values) == (3, pytest.approx(2.7764451 * np.sqrt(2.5 / 5)))
    assert spread(values) == "3.0 ± 1.6" and spread(values[:1]) == "1.0"
    assert signed(values) == "+3.00 ± 1.96 (5/5)" and signed(-values[:1]) == "-1.00 (0/1)"
    assert signed(np.zeros(2)) == "+0.00 ± 0.00 (0/2)"


def test_a_cell_names_scores_by_seed():
    lines = [line(row, seed, a=value * seed, b=1.0) for row, value in (("x", 3), ("y", 1)) for seed in (3, 1, 2)]
    lines = [each for each in lines if (each["row"], each["seed"]) != ("y", 1)]
    lines[-1]["b"] = None  # of y with seed 2
    frame = by_seed(lines)
    assert scores(frame, "x; a").to_dict() == {1: 3, 2: 6, 3: 9}
    assert scores(frame, "x | y; a").to_dict() == {2: 4, 3: 6}
    assert scores(frame, "x; a | b").to_dict() == {1: 2, 2: 5, 3: 8}
    assert scores(frame, "x | y; a | b").to_dict() == {3: 6}  # (9 - 3) - (1 - 1)
    assert not len(scores(frame, "z; a")) and not len(scores(frame, "x; c"))


def ablation(setting, table, row, paper, values):
    found = [line(row, seed, setting=setting, table=table, paper=paper) for seed in range(1, len(values) + 1)]
    return [
        each | labels(value) | {"simple": labels(value), "complex": labels(0)} for each, value in zip(found, values)
    ]


LINES = [
    *ablation("ablation", "table3", "baseline", 67.7, [51, 52, 53]),
    *ablation("ablation", "table3", "+ GR", 68.8, [54, 56, 58]),
    *ablation("ablation", "table3", "+ GR + POM + NSRM", 70.4, [54, 55, 56]),
    *ablation("ablation", "controls", "baseline", None, [51, 52]),
    *ablation("ablation", "fig6", "8", 70.4, [53, 55, 57]),
    *ablation("ablation", "fig6", "13", 70.4, [50, 51, 52]),
    *ablation("ablation", "labels", "CAM", None, [40, 40, 40]),
    *ablation("faint", "table3", "baseline", 67.7, [41, 43]),
    *ablation("faint", "table3", "+ GR + POM + NSRM", 70.4, [45, 46]),
]


def test_ablation(table, tmp_path):
    found = table("ablation", LINES, "Table 3: components")
    assert found["baseline"] == ["67.7", "52.0 ± 1.0", "", ""]
    assert found["+ GR"] == ["68.8", "56.0 ± 2.0", "+1.1", "+4.00 ± 2.48 (3/3)"]  # 3 4 5: sd 1, t = 4.303
    assert found["+ GR + POM + NSRM"][2:] == ["+1.6", "-1.00 ± 2.48 (0/3)"]
    found = table("ablation", LINES, "Controls")
    assert found["baseline"] == ["51.5 ± 0.7", ""] and "Seeds 1 2 only." in found["text"]
    found = table("ablation", LINES, "Figure 6: the kernel of NSRM, in pixels")
    assert [found["8"][1], found["13"][1]] == ["", "+4.00 ± 2.48 (3/3)"] and "](fig6.png)" in found["text"]
    assert (tmp_path / "fig6.png").stat().st_size > 5000
    found = table("ablation", LINES, "The labels on the way (training images)")
    assert found["CAM"][:3] == ["40.0 ± 0.0", "0.0 ± 0.0", "7.0 ± 0.0"]
    found = table("ablation", LINES, "Where each component helps: Table 3 on other toy data")
    assert found["as in the tables above"][:3] == ["52.0 ± 1.0", "55.0 ± 1.0", "+4.00 ± 2.48 (3/3)"]
    assert found["the same, these seeds"][:3] == ["51.5 ± 0.7", "54.5 ± 0.7", "+3.50 ± 6.35 (2/2)"]
    assert found["faint"] == ["42.0 ± 1.4", "45.5 ± 0.7", "–", "–", "–"]


@pytest.mark.parametrize("name", COMMITTED)
def test_the_pages_in_the_repository_come_from_the_lines_in_it(name):
    sources, out = COMMITTED[name]
    lines = read_lines(ROOT / path for path in sources)
    assert (ROOT / out).read_text() == page(STUDIES[name], lines, (ROOT / out).parent)
