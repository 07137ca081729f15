"""What the numbers mean is written by hand: each number that a page claims follows from the committed lines.

claims.py says what the numbers of the pages are.
"""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from report.studies.study import by_seed, interval, read_lines, scores
from report.studies.tables import STUDIES
from tests.claims import NAMES, PAGES

ROOT = Path(__file__).resolve().parents[1]
LINES = {"ablation": ["docs/ablation.jsonl"], "fbr": ["docs/fbr/results.jsonl"], "irn": ["docs/irn/results.jsonl"]}
LINES |= {"real": ["docs/real/results.jsonl"], "amn": ["docs/fbr/amn.jsonl"]}
NUMBER = re.compile(r"(?<![\w.-])([+-]?\d+(?:\.\d+)?)(?: ± (\d+(?:\.\d+)?))?( \(\d+/\d+\))?")


def lines_of(name):
    return read_lines([ROOT / path for path in LINES[name]])


def of_seeds(name):
    """What finds the scores of a claim in the lines of a study: float (S,), and whether they are paired differences."""
    frame = by_seed(STUDIES[name].prepare(lines_of(name)))
    return lambda claim: (scores(frame, claim).to_numpy(float), " | " in claim)


def of_benchmarks():
    """The same of docs/bench/lines.jsonl, where a claim names section, what was measured, and the side."""
    lines = map(json.loads, (ROOT / "docs/bench/lines.jsonl").read_text().splitlines())
    sides = {(line["section"], line["what"]): line["sides"] | {"ratio": line.get("ratio")} for line in lines}

    def find(claim):
        section, what, side = claim.split("; ")
        return np.array([sides[section, what][side]]), False

    return find


FINDERS = {"bench": of_benchmarks} | {name: partial(of_seeds, name) for name in STUDIES}


def numbers(text):
    """The numbers in Markdown as they are written, such as "36.3" and "+4.8 ± 2.7 (5/5)"; none of code or links."""
    return [found[0] for found in NUMBER.finditer(re.sub(r"`[^`]*`|\]\([^)]*\)|https?:\S+", "", text))]


def paragraphs(text):
    """The paragraphs and items of a list, each in one line."""
    text = re.sub(r"^```.*?^```|<!--.*?-->|^[#|].*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(each.split()) for each in re.split(r"\n\n|\n(?=- )", text) if each.strip()]


def written(number, values, paired):
    """What the scores say, in the form of a number as written: mean, ± interval or deviation, how many are above 0."""
    mean, half, count = NUMBER.fullmatch(number).groups()
    found = f"{values.mean():{'+' if mean[0] in '+-' else ''}.{len(mean.partition('.')[2])}f}"
    if half:
        found += f" ± {interval(values)[1] if paired else values.std(ddof=1):.{len(half.partition('.')[2])}f}"
    return found + (f" ({(values > 0).sum()}/{len(values)})" if count else "")


def scores_of(claim, find):
    """The scores of a claim; "lowest of" and "highest of" take the one of one seed."""
    for kind, chosen in (("lowest of ", np.min), ("highest of ", np.max)):
        if claim.startswith(kind):
            return np.array([chosen(find(claim.removeprefix(kind))[0])]), False
    return find(claim)


def expanded(line):
    """The claims of a line with {a,b}, as a shell expands it."""
    if not (found := re.search(r"\{(.*?)\}", line)):
        return [line]
    return [each for part in found[1].split(",") for each in expanded(line.replace(found[0], part, 1))]


def claims_of(page):
    """{beginning of a paragraph: its claims}."""
    blocks = [block.split("\n    ") for block in re.split(r"\n(?=\S)", page.claims.strip())]
    return {start: [each for line in lines for each in expanded(line)] for start, *lines in blocks}


def wrong(page, text):
    """What in the text of a page does not follow from the lines: strings."""
    find, left = FINDERS[page.lines](), claims_of(page)
    yield from (f"not in the page: {each}" for each in page.others if each not in " ".join(text.split()))
    for paragraph in paragraphs(text.split(page.end)[0] if page.end else text):
        start = next((key for key in left if paragraph.startswith(key)), None)
        if start is None and page.end is None:
            continue
        claims = left.pop(start, [])
        for each in (*page.others, *NAMES):
            paragraph = paragraph.replace(each, "")
        found = numbers(paragraph)
        if len(found) != len(claims):
            yield f"{paragraph[:40]}: {len(found)} numbers ({', '.join(found)}), {len(claims)} claims"
            continue
        for number, claim in zip(found, claims):
            if (expected := written(number, *scores_of(claim, find))) != number:
                yield f"{paragraph[:40]}: {number} is {expected} in the lines ({claim})"
    yield from (f"no paragraph begins with: {start}" for start in left)


@pytest.mark.parametrize("name", PAGES)
def test_what_is_claimed_follows_from_the_lines(name):
    assert list(wrong(PAGES[name], (ROOT / PAGES[name].path).read_text())) == []


@pytest.mark.parametrize("name", ["fbr", "irn", "amn"])
def test_a_page_names_seeds_and_commits_of_its_lines(name):
    lines, page = lines_of(name), (ROOT / PAGES[name].path).read_text()
    if page.startswith("# FBR"):  # two studies
        page = page.split(PAGES["fbr"].end)[name == "amn"]
    seeds = " ".join(map(str, sorted({line["seed"] for line in lines})))
    assert f"`scripts/study/{name}.sh {seeds}`" in page
    assert set(re.findall("`([0-9a-f]{12})`", page)) == {line["commit"][:12] for line in lines}
    for line in lines:
        assert f"PyTorch {line['torch']} on {line['machine'].split(', ')[1]}" in " ".join(page.split())


ON_PHOTOGRAPHS = {"CAM": "main; cam", "initial label": "main; label_initial", "pseudo label": "main; label_pseudo"}
ON_PHOTOGRAPHS |= {  # as long as run_all.sh trains
    "masked label": "long; label_masked",
    "prediction, round 1": "long; pred1_val",
    "prediction, round 2": "long; pred2_val",
}


def test_the_readmes_column_of_photographs_follows_from_the_lines():
    rows = [
        row.split(" | ") for row in (ROOT / "README.md").read_text().splitlines() if re.match(r"\| (train|val) \|", row)
    ]
    found, find = {}, of_seeds("real")
    for _, name, number, _ in rows:
        folder = next(folder for start, folder in ON_PHOTOGRAPHS.items() if name.startswith(start))
        found[folder] = number == written(number, *find(f"{folder}, mean_iou"))
    assert found == dict.fromkeys(ON_PHOTOGRAPHS.values(), True)
