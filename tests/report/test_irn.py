"""report.irn_lines and report.irn: from the rows' scores to the page of IRN and its plot."""

import json
from pathlib import Path

import pytest

from report import irn, irn_lines
from report.irn import report, usable
from report.irn_lines import EVALUATED, THRESHOLDS
from report.lines import SeedRows, read_lines
from stages.files import InputError

ROOT = Path(__file__).resolve().parents[2]
ADDED = {  # {row: {part: how far its scores are above 50 + seed, for seeds 1 2 3}}
    "ce": {"saliency": (10, 10, 10), "image_level": (4, 5, 6)},
    "fbr": {"saliency": (11, 12, 13), "image_level": (6, 6, 6)},
}
SHIFT = {"label_pseudo": 20, "label_irn": 21}  # of a label, in every row and seed
AP = {"ce": (0, 0, 0), "fbr": (3, 4, 5), "truth": (30, 30, 30)}
ORIGIN = {"commit": "c" * 40, "torch": "2", "machine": "M"}


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def put_row(folder, row, seed):
    """A row of one seed as scripts/study/irn.sh leaves it."""
    record = {"arguments": {"seed": seed}, "versions": {"commit": "c" * 40, "torch": "2"}, "machine": "M"}
    put(folder / ("image_level/irn" if row == "truth" else "cls") / "stage.json", record)
    for part, added in ADDED.get(row, {}).items():
        for name in EVALUATED[part]:
            value = 50 + seed + added[seed - 1] + SHIFT.get(name, 0)
            scores = {"mean_iou": value, "ignored": value / 10, "false_negative": 3.0, "pixel_accuracy": 9.0}
            place = folder if part == "saliency" else folder / part
            put(place / "scores" / name / "scores.json", scores | {"simple": scores})
    mean_ap = {threshold: 60 + AP[row][seed - 1] - 10 * place for place, threshold in enumerate(THRESHOLDS)}
    put(folder / "image_level/scores/instances/scores.json", {"images": 9, "mean_ap": mean_ap, "class_ap": {}})


def call(module, *arguments):
    module.main(module.parser().parse_args([*map(str, arguments)]))


@pytest.fixture
def results(tmp_path, capsys):
    for seed in (1, 2, 3):
        for row in AP:
            put_row(tmp_path / f"seed{seed}" / row, row, seed)
    (tmp_path / "seed1" / "other" / "cls").mkdir(parents=True)
    out = tmp_path / "results.jsonl"
    call(irn_lines, "--runs", *sorted(tmp_path.glob("seed*")), "--out", out)
    assert "9 lines of 3 runs" in capsys.readouterr().out
    return out


def lines_of(results):
    return read_lines([results], usable, "")


def section(page, heading):
    """The table below a heading, as lines."""
    text = page.split(f"# {heading}\n")[1].split("\n#")[0]
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_a_line_has_all_scores(results):
    lines = {(line["row"], line["seed"]): line for line in map(json.loads, results.read_text().splitlines())}
    line = lines["fbr", 2]
    assert line.items() >= ORIGIN.items() and {part: [*line[part]] for part in EVALUATED} == {
        part: [*names] for part, names in EVALUATED.items()
    }
    assert line["saliency"]["label_pseudo"] == {"mean_iou": 84, "ignored": 8.4, "false_negative": 3.0}
    assert line["image_level"]["pred2_val"]["mean_iou"] == 58
    assert line["ap"] == {"0.25": 64, "0.5": 54, "0.7": 44, "0.75": 34}
    ap = {"0.25": 90, "0.5": 80, "0.7": 70, "0.75": 60}
    assert lines["truth", 3] == {"row": "truth", "seed": 3, **ORIGIN, "ap": ap}


@pytest.fixture
def page(results):
    return report(lines_of(results), "")


def test_labels_of_both_classifiers(page):
    rows = section(page, "Labels")[2:]
    initial = "| with saliency: initial labels | 62.0 ± 1.0 | 64.0 ± 2.0 | +2.00 ± 2.48 (3/3) |"  # 1 2 3: t = 4.303
    assert rows[0].startswith(f"{initial} 6.2 ± 0.1 | 6.4 ± 0.2 | +0.20 ± 0.25 (3/3) | 3.0 ± 0.0 | 3.0 ± 0.0 | +0.00")
    assert rows[3].startswith("| without: CAMs | 57.0 ± 2.0 | 58.0 ± 1.0 | +1.00 ± 2.48 (2/3) |")
    assert rows[5].startswith("| without: IRN's labels | 78.0 ± 2.0 | 79.0 ± 1.0 | +1.00 ± 2.48 (2/3) |")
    assert len(rows) == 7


def test_labels_without_saliency_against_those_with_it(page):
    rows = section(page, "Labels without saliency against those with it")[2:]
    first = "| First round: IRN's and pseudo labels | -4.00 ± 2.48 (0/3) | -5.00 ± 2.48 (0/3) |"
    assert rows[0].startswith(first + " -0.40 ± 0.25 (0/3) |")  # -5 -4 -3 with ce, -4 -5 -6 with fbr
    assert rows[1].startswith("| Second round: masked labels | -5.00 ± 2.48 (0/3) | -6.00 ± 2.48 (0/3) |")


def test_what_saliency_is_worth_and_what_fbr_adds(page):
    for heading in ("First round", "Second round"):
        assert section(page, heading)[2:] == [
            "| `ce` | 62.0 ± 1.0 | 57.0 ± 2.0 | +5.00 ± 2.48 (3/3) |",  # 6 5 4
            "| `fbr` | 64.0 ± 2.0 | 58.0 ± 1.0 | +6.00 ± 2.48 (3/3) |",  # 5 6 7
            "| `fbr` - `ce` | +2.00 ± 2.48 (3/3) | +1.00 ± 2.48 (2/3) | +1.00 ± 4.97 (2/3) |",  # -1 1 3
        ]


def test_ap_and_its_differences(page):
    rows = section(page, "Instances")
    assert rows[-5].startswith("| `ce` | 60.0 ± 0.0 | 50.0 ± 0.0 | 40.0 ± 0.0 | 30.0 ± 0.0 |")
    assert rows[-3].startswith("| `truth` | 90.0 ± 0.0 |")
    assert rows[-2] == "| `fbr` - `ce` |" + " +4.00 ± 2.48 (3/3) |" * 4
    assert rows[-1] == "| `truth` - `fbr` |" + " +26.00 ± 2.48 (3/3) |" * 4


def test_data_without_context_have_a_table_of_their_own(results, page, monkeypatch):
    assert "## Without context" not in page
    monkeypatch.setitem(ADDED, "plain", {"saliency": (1, 1, 1), "image_level": (2, 3, 4)})
    monkeypatch.setitem(AP, "plain", (7, 7, 7))
    for seed in (1, 2, 3):
        put_row(results.with_name(f"seed{seed}") / "plain", "plain", seed)
    call(irn_lines, "--runs", *sorted(results.parent.glob("seed*")), "--out", results)
    call(irn, "--results", results, "--out", results.with_name("page.md"))
    found = results.with_name("page.md").read_text()
    rows = section(found, "Without context")[2:]
    assert rows[0] == "| CAMs | – | 55.0 ± 2.0 | – |" and rows[1].startswith(
        "| Seeds and initial labels | 53.0 ± 1.0 |"
    )
    assert rows[2] == "| First round: IRN's and pseudo labels | 73.0 ± 1.0 | 76.0 ± 2.0 | -3.00 ± 2.48 (0/3) |"
    assert rows[5] == "| Second round: predictions | 53.0 ± 1.0 | 55.0 ± 2.0 | -2.00 ± 2.48 (0/3) |" and len(rows) == 6
    assert section(found, "Instances")[-3].startswith("| `plain` | 67.0 ± 0.0 |")
    for heading in ("Labels", "First round", "Second round"):
        assert section(found, heading) == section(page, heading)


def test_the_page_links_the_pictures_that_are_there(results):
    call(irn, "--results", results, "--out", results.with_name("IRN.md"))
    page = results.with_name("IRN.md").read_text()
    plot = results.with_name("differences.png")
    assert plot.stat().st_size > 5000 and "](differences.png)" in page and "instances.png" not in page
    results.with_name("instances.png").write_bytes(b"")
    before, out = plot.read_bytes(), results.parent / "docs" / "page.md"
    out.parent.mkdir()
    call(irn, "--results", results, "--out", out)
    assert "](../instances.png)" in out.read_text() and plot.read_bytes() == before
    assert report(lines_of(results), "../") == out.read_text() == report(lines_of(results)[::-1], "../")


def test_scores_are_by_ascending_seed(results):
    assert SeedRows(lines_of(results)[::-1]).values("fbr", "ap", "0.25").tolist() == [63, 64, 65]


def test_seeds_are_paired_where_both_have_the_score(results):
    lines = {(line["row"], line["seed"]): line for line in lines_of(results)}
    del lines["fbr", 1]
    lines["ce", 2]["saliency"]["pred2_val"]["mean_iou"] = None
    del lines["ce", 3]["image_level"]["pred2_val"]
    assert section(report([*lines.values()], ""), "Second round")[2:] == [
        "| `ce` | 62.0 ± 1.4 | 56.0 ± 1.4 | +6.00 (1/1) |",
        "| `fbr` | 65.0 ± 1.4 | 58.5 ± 0.7 | +6.50 ± 6.35 (2/2) |",
        "| `fbr` - `ce` | +3.00 (1/1) | +1.00 (1/1) | – |",
    ]


def test_what_is_not_there_has_dashes(results):
    one = [line for line in lines_of(results) if line["row"] == "ce" and line["seed"] == 1]
    del one[0]["saliency"]
    results.write_text(json.dumps(one[0]) + "\n")
    call(irn, "--results", results, "--out", results.with_name("IRN.md"))
    text = results.with_name("IRN.md").read_text()
    assert "| with saliency: initial labels |" + " – |" * 9 in text and "| without: CAMs | 55.0 | – | – | 5.5 |" in text
    assert "| `ce` | – | 55.0 | – |\n| `fbr` | – | – | – |" in text
    assert "| `ce` | 60.0 | 50.0 | 40.0 | 30.0 |\n| `fbr` |" + " – |" * 4 in text
    del one[0]["image_level"]
    results.write_text(json.dumps(one[0]) + "\n")
    call(irn, "--results", results, "--out", results.with_name("IRN.md"))  # nothing to plot


CHANGES = [  # of a line of the row ce
    {"row": "yeti"},
    {"seed": "1"},
    {"saliency": 5},
    {"saliency": {"pred1_val": 5}},
    {"image_level": {"pred1_val": {"mean_iou": 5.0, "ignored": 1.0}}},
    {"image_level": {"pred1_val": {"mean_iou": "5", "ignored": 1.0, "false_negative": 1.0}}},
    {"ap": {"0.25": 61.2}},
    {"ap": dict.fromkeys(THRESHOLDS, "61.2")},
]


def test_other_lines_are_refused(results):
    first, page = json.loads(results.read_text().splitlines()[0]), results.with_name("IRN.md")
    without = {key: first[key] for key in ("row", "seed", *ORIGIN)}
    for line in (*(first | change for change in CHANGES), without, [], {}):
        results.write_text(f"{json.dumps(first)}\n{json.dumps(line)}\n")
        with pytest.raises(InputError, match="line 2: expected JSON lines of report.irn_lines"):
            call(irn, "--results", results, "--out", page)
    results.write_text(json.dumps(first | {"row": "fbr"}) + "\n")
    with pytest.raises(InputError, match="expected lines of the row ce"):
        call(irn, "--results", results, "--out", page)
    assert not page.exists() and not results.with_name("differences.png").exists()


@pytest.mark.parametrize(
    "path, content, message",
    [
        ("truth/image_level/irn/stage.json", {"arguments": {}, "versions": {}}, "truth: expected stage.json"),
        ("ce/cls/stage.json", None, "stage.json: cannot be read"),
        ("fbr/image_level/scores/instances/scores.json", {"mean_ap": {"0.5": 1.0}}, "scores of seg.evaluate_instances"),
        ("fbr/scores/pred1_val/scores.json", {}, "expected the scores of seg.evaluate"),
    ],
)
def test_damaged_runs_are_refused(results, path, content, message):
    path, out = results.with_name("seed2") / path, results.with_name("again.jsonl")
    path.unlink() if content is None else put(path, content)
    with pytest.raises(InputError, match=message):
        call(irn_lines, "--runs", results.with_name("seed1"), results.with_name("seed2"), "--out", out)
    assert not out.exists()


def test_runs_without_scores_are_refused(tmp_path):
    with pytest.raises(InputError, match="scripts/study/irn.sh"):
        call(irn_lines, "--runs", tmp_path, "--out", tmp_path / "r.jsonl")


def test_the_page_in_the_repository_comes_from_the_lines_in_it():
    source = ROOT / "docs" / "irn" / "results.jsonl"
    assert source.with_name("tables.md").read_text() == report(lines_of(source), "")
