"""report.tables.figure4: which images it chooses, what it prints of them, and that each prediction is in its column."""

import numpy as np
import pytest

from common.files.images import VOC_COLOURS, read_indexed, write_indexed
from report.tables.figure4 import main, parser
from stages.files import InputError

COLUMNS = {"baseline": "no_glore/pred", "+ GR": "pred1", "whole": "pred2"}


@pytest.fixture
def figure4(tiny_data, tmp_path, capsys):
    """`figure4(columns)` draws predictions, of which no_glore/pred is background all over, pred1 class 2 all over and
    pred2 the truth, but background in b_simple; the lines it prints."""
    values = {"no_glore/pred": 0, "pred1": 2}
    for folder in COLUMNS.values():
        (tmp_path / "run" / folder).mkdir(parents=True)
        for path in (tiny_data / "SegmentationClass").iterdir():
            label = read_indexed(path)
            value = values.get(folder, 0 if path.stem == "b_simple" else None)
            write_indexed(tmp_path / "run" / folder / path.name, label if value is None else np.full_like(label, value))

    def run(columns=COLUMNS, split="train", count=4):
        words = ["--data", tiny_data, "--split", split, "--run", tmp_path / "run", "--out", tmp_path / "out.png"]
        words += [word for column in columns.items() for word in ("--column", *column)]
        main(parser().parse_args([*map(str, words), "--count", str(count)]))
        return capsys.readouterr().out.splitlines()

    return run


def test_simple_and_complex_images_with_every_number(figure4, tiny_data):
    *lines, _ = figure4()
    assert [line.split(":")[0] for line in lines] == [
        "a_simple (simple)",
        "b_simple (simple)",
        "d_complex (complex)",
        "c_complex (complex)",
    ]
    truth = read_indexed(tiny_data / "SegmentationClass" / "a_simple.png")
    share = 100 * (truth == 0).sum() / (truth != 255).sum() / 2  # background alone, of two classes
    assert lines[0] == f"a_simple (simple): baseline {share:.1f}, + GR 0.0, whole 100.0"
    assert lines[1].split()[3] == lines[1].split()[-1] + ","  # the baseline's number and the last one


def test_each_prediction_stands_in_its_column(figure4, tiny_data, monkeypatch):
    drawn = []
    monkeypatch.setattr("report.tables.figure4.write_figure", lambda out, figure: drawn.append(figure))
    figure4()
    cells = drawn[0].axes[:5]  # the first row
    truth = VOC_COLOURS[read_indexed(tiny_data / "SegmentationClass" / "a_simple.png")]
    expected = [truth, np.zeros_like(truth), np.full_like(truth, VOC_COLOURS[2]), truth]
    assert all(np.array_equal(cell.images[0].get_array(), each) for cell, each in zip(cells[1:], expected, strict=True))
    assert [bool(cell.get_xlabel()) for cell in cells] == [False, False, True, True, True]


def test_refuses_what_it_cannot_draw(figure4, tiny_data, tmp_path):
    with pytest.raises(InputError, match="--column: expected two or more, of different titles"):
        figure4({"one": "pred1"})
    with pytest.raises(InputError, match="pred7: no such folder"):
        figure4({"a": "pred1", "b": "pred7"})
    (tmp_path / "run" / "pred1" / "a_simple.png").unlink()  # of a column in the middle
    with pytest.raises(InputError, match="pred1/a_simple.png: no such file"):
        figure4()
    assert not (tmp_path / "out.png").exists()
