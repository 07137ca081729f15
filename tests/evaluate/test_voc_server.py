"""evaluate.voc_server: the archive that the VOC server takes, and what never gets there."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from common.files.images import VOC_PALETTE, read_indexed, write_indexed
from evaluate.voc_server import parser, run
from stages.files import InputError

IDS = ["2008_000006", "2008_000002", "2008_000004"]  # the list is not sorted, the archive is


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "voc12"
    for name in ("JPEGImages", "lists", "pred"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("".join(f"class{i}\n" for i in range(20)))
    (root / "lists" / "test.txt").write_text("".join(id + "\n" for id in IDS))
    rng = np.random.default_rng(0)
    for i, id in enumerate(IDS):
        Image.new("RGB", (12 + i, 9)).save(root / "JPEGImages" / f"{id}.jpg")
        write_indexed(root / "pred" / f"{id}.png", rng.integers(0, 21, (9, 12 + i), dtype=np.uint8))
    (root / "pred" / "stage.json").write_text("{}")
    return root


def export(data, out, *options):
    arguments = ["--data", data, "--split", "test", "--pred", data / "pred", "--out", out, *options]
    return run(parser().parse_args(list(map(str, arguments))))


def test_archive_holds_the_predictions_where_the_server_looks(data, tmp_path):
    out = tmp_path / "sent" / "results.tgz"
    assert "3 predictions" in export(data, out)
    with tarfile.open(out, "r:gz") as archive:
        assert archive.getnames() == [f"results/VOC2012/Segmentation/comp6_test_cls/{id}.png" for id in sorted(IDS)]
        for entry in archive:
            assert (entry.mtime, entry.uid, entry.gid, entry.mode, entry.isreg()) == (0, 0, 0, 0o644, True)
            assert archive.extractfile(entry).read() == (data / "pred" / entry.name.split("/")[-1]).read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["results.tgz"]


def test_archive_depends_on_the_content_alone(data, tmp_path, monkeypatch):
    export(data, tmp_path / "a.tgz")
    monkeypatch.setattr("time.time", lambda: 2e9)
    (data / "lists" / "test.txt").write_text("".join(id + "\n" for id in sorted(IDS)))
    for path in (data / "pred").iterdir():
        path.touch()
    export(data, tmp_path / "b.tar.gz")
    assert (tmp_path / "a.tgz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def ignored(path):
    label = np.zeros((9, 13), np.uint8)
    label[4, 4] = 255
    write_indexed(path, label)


def recoloured(path):
    image = Image.fromarray(read_indexed(path)).convert("P")
    image.putpalette(VOC_PALETTE[3:] + VOC_PALETTE[:3])
    image.save(path)


FAULTS = {
    "expected values 0 to 20, found 255": ignored,
    "expected the VOC palette": recoloured,
}


@pytest.mark.parametrize("reason", FAULTS)
def test_a_file_that_the_server_would_not_take_is_named(data, tmp_path, reason):
    FAULTS[reason](data / "pred" / f"{IDS[1]}.png")
    with pytest.raises(InputError, match=f"{IDS[1]}.png: {reason}"):
        export(data, tmp_path / "results.tgz")
    assert not list(tmp_path.glob("*.tgz")) and not list(tmp_path.glob(".*"))


def test_a_palette_of_the_used_colours_alone_will_do(data, tmp_path):
    image = Image.fromarray(np.full((9, 13), 2, np.uint8)).convert("P")
    image.putpalette(VOC_PALETTE[:9])
    image.save(data / "pred" / f"{IDS[1]}.png", bits=2)
    export(data, tmp_path / "results.tgz")
    assert (tmp_path / "results.tgz").stat().st_size > 0


def test_an_archive_that_is_there_is_kept_unless_forced(data, tmp_path):
    out = tmp_path / "results.tgz"
    out.write_text("mine")
    with pytest.raises(InputError, match="results.tgz: exists already"):
        export(data, out)
    assert out.read_text() == "mine"
    export(data, out, "--force")
    assert tarfile.is_tarfile(out)
