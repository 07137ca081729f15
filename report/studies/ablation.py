"""The paper's Tables 3 and 4 and Figures 6 and 7 on toy data, and where each component helps."""

from collections.abc import Callable

import pandas as pd

from report.studies.study import LABELS, Study, Table, scores

MAIN, SHARED = "ablation", "the same, these seeds"  # the setting of the paper's tables; with the others' seeds


def prepare(lines: list[dict]) -> list[dict]:
    """Rows named "<table>: <row>"; those of Table 3 in other settings, and in MAIN with their seeds, by the setting."""
    main = [line for line in lines if line.get("setting") == MAIN]
    others = [line for line in lines if line.get("setting") != MAIN and line.get("table") == "table3"]
    seeds = {line["seed"] for line in others}
    shared = [line | {"setting": SHARED} for line in main if line["table"] == "table3" and line["seed"] in seeds]
    rows = [line | {"row": f"{line['table']}: {line['row']}"} for line in main]
    return rows + [line | {"row": f"{line['setting']}: {line['row']}"} for line in shared + others]


def rows(table: str) -> Callable[[pd.DataFrame], dict]:
    """A function that finds a table's rows, each with the row above, the first one and the one of the best mIoU."""

    def find(frame):
        found = [row for row in frame.columns.unique(0) if row.startswith(f"{table}: ")]
        best = max(found, key=lambda row: scores(frame, f"{row}; mean_iou").mean(), default=None)
        others = [{"above": above, "first": found[0], "best": best} for above in [*found[:1], *found]]
        return {row.removeprefix(f"{table}: "): {"name": row, **other} for row, other in zip(found, others)}

    return find


def settings(frame: pd.DataFrame) -> dict[str, str]:
    """MAIN with all its seeds and with those of the other settings, if there are any, and these."""
    found = {row.split(": ")[0] for row in frame.columns.unique(0) if row.endswith(": + GR + POM + NSRM")}
    return {"as in the tables above": "table3"} | {name: name for name in (SHARED, *sorted(found - {"table3", SHARED}))}


def against(other: str) -> list[tuple[str, str]]:
    """The paper's difference to another row of `rows`, and the one here."""
    place = {"above": "row above", "first": "first row"}[other]
    return [
        (f"paper, to the {place}", f"{{row[name]}} | {{row[{other}]}}; paper"),
        (f"here, to the {place}", f"{{row[name]}} | {{row[{other}]}}; mean_iou"),
    ]


PAPER = [("paper, VOC val", "{row[name]}; paper"), ("here", "{row[name]}; mean_iou")]
SWEPT = [PAPER[1], ("the best is above it by", "{row[best]} | {row[name]}; mean_iou")]
ON_THE_WAY = [
    (f"{heading}, {kind}", f"{{row[name]}}; {kind}, {score}")
    for heading, score in LABELS.items()
    for kind in ("simple", "complex")
]
COMPONENTS = [
    ("baseline", "{row}: baseline; mean_iou"),
    ("whole method", "{row}: + GR + POM + NSRM; mean_iou"),
    ("GR adds", "{row}: + GR | {row}: baseline; mean_iou"),
    ("POM adds", "{row}: + GR + POM | {row}: + GR; mean_iou"),
    ("NSRM adds", "{row}: + GR + POM + NSRM | {row}: + GR + POM + retrain; mean_iou"),
]
STUDY = Study(
    "Results on the toy data",
    "scripts/study/ablation.sh",
    "docs/paper.md says what the rows are. mIoU on the validation images, unless a table says otherwise. The paper's "
    "numbers are of PASCAL VOC 2012 val: other data, another network. Only the signs can be compared. These rows "
    "predate a change of the classifier's initial weights (docs/paper.md, few classes), which changes every row.",
    [
        Table("Table 3: components", rows("table3"), PAPER + against("above")),
        Table("Controls", rows("controls"), [PAPER[1], against("above")[1]]),
        Table("Table 4: variants of NSRM", rows("table4"), PAPER + against("above") + against("first")),
        Table("Figure 6: the kernel of NSRM, in pixels", rows("fig6"), SWEPT, picture="fig6.png", plotted=(0,)),
        Table("Figure 7: the number of nodes", rows("fig7"), SWEPT, picture="fig7.png", plotted=(0,)),
        Table("The labels on the way (training images)", rows("labels"), ON_THE_WAY),
        Table("Figure 5: on the way through the method", picture="fig5.png"),
        Table("Where each component helps: Table 3 on other toy data", settings, COMPONENTS),
    ],
    prepare=prepare,
)
