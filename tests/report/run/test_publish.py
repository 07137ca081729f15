"""report.run.publish: weights that read back the same, a card made of records, and nothing that should stay at home."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
import torch

from cls import infer
from cls.amn import build as build_amn
from cls.model import build as build_classifier
from common.files.images import write_indexed
from common.training import checkpoint
from report.run import publish
from report.run.publish import shareable
from seg import predict
from seg.deeplab import MultiScale
from seg.deeplab import build as build_deeplab
from stages.files import InputError
from tests.outputs import contents
from tests.report.runs import put, record

NAMES = ["disc", "square", "bar"]
SIZES = {"classes": 3, "class_names": NAMES, "channels": [4] * 5, "depths": [1] * 5, "batch_norm": True}
CLASSIFIER = {"network": "classifier", **SIZES, "nodes": 2, "input_size": 32}
AMN = {"network": "amn", "backbone": "vgg16", **SIZES, "rates": [1]}
DEEPLAB = {"backbone": "vgg16", **SIZES, "fc_channels": 4, "rates": [1]}
SCORES = {"mean_iou": 61.25, "ignored": 7.5, "false_negative": None, "images": 4, "split": "train"}
SCORES |= {"simple": {"mean_iou": 71.0, "ignored": 1, "false_negative": 2}}
COMMIT = "c0ffee" * 6 + "beef"


def called(command, minute=0, **arguments):
    """The record of a stage that was called in somebody's home."""
    inputs = {"data": {"reads": ["images"], "sha256": "ab" * 32}} if "data" in arguments else {}
    known = {"arguments": arguments, "inputs": inputs, "versions": {"commit": COMMIT}}
    return record(command, minute, **known, call=f"python -m {command} --out /home/alice/runs/mine")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of tiny networks, whose record says that somebody's own photographs are in it."""
    run, data = tmp_path / "runs/mine", "/home/alice/secret project/photos"
    torch.manual_seed(0)
    networks = {"cls": (CLASSIFIER, build_classifier(**CLASSIFIER)), "seg1": (DEEPLAB, build_deeplab(**DEEPLAB))}
    networks |= {"seg2": (DEEPLAB, MultiScale(build_deeplab(**DEEPLAB), [0.5])), "amn": (AMN, build_amn(**AMN))}
    commands = {"cls": "cls.train", "seg1": "seg.train", "seg2": "seg.train", "amn": "fbr.train_amn"}
    for minute, (name, (arch, model)) in enumerate(networks.items()):
        put(run / name / "stage.json", called(commands[name], minute, data=data, split="train", lr=0.5, seed=0))
        checkpoint.save(run / name / "weights.pth", arch=arch, pyramid=[0.5], state_dict=model.state_dict())
        (run / name / "tensorboard").mkdir()
        (run / name / "tensorboard/events.out.tfevents.1769860800.alices-laptop.42.0").write_bytes(b"log")
    for minute, (name, command) in enumerate({"label_masked": "pseudo.nsrm", "pred1": "seg.predict"}.items(), 3):
        put(run / name / "stage.json", called(command, minute, data=data, split="train", weights=f"{run}/seg2/w.pth"))
        for id in ("b", "a"):
            write_indexed(run / name / f"{id}.png", torch.full((4, 5), minute, dtype=torch.uint8).numpy())
    evaluated = called("evaluate.labels", 9, data=data, split="train", pred=f"{run}/cam")
    evaluated["versions"] = {"commit": f"{COMMIT}-dirty"}
    cam = SCORES | {"threshold": 0.5, "chosen": "best on this ground truth"}
    cam["fixed"] = {"threshold": 0.3, "from": "/home/alice/other/scores.json", "mean_iou": 41.5, "ignored": 0.0}
    cam["fixed"] |= {"false_negative": 1.0}
    for name, scores in (("cam", cam), ("label_masked", SCORES)):
        put(run / f"scores/{name}/stage.json", evaluated)
        put(run / f"scores/{name}/scores.json", scores)
        (run / f"scores/{name}/images.jsonl").touch()
    (run / "table3.md").write_text("| row of /home/alice/runs | 5 |\n")
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def published(run, tmp_path):
    """`published(*arguments)` publishes the run and returns the folder."""

    def call(*arguments, out=tmp_path / "out"):
        call = ["--run", str(run), "--out", str(out), *map(str, arguments)]
        publish.main(publish.parser().parse_args(call))
        return out

    return call


def rows(text, first):
    """The cells of the table rows of a card that begin with `first`."""
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return [cells[1:] for cells in lines if cells[0] == first]


def predictions(tiny_data, out, weights):
    """The files that seg.predict and cls.infer write with the weights {command: file}."""
    for command, module in (("seg", predict), ("cls", infer)):
        call = ["--data", tiny_data, "--split", "train", "--out", out / command, "--weights", weights[command]]
        args = module.parser().parse_args([str(word) for word in [*call, "--device", "cpu", "--workers", 0]])
        args.out.mkdir(parents=True)
        module.run(args)
    return contents(out)


def test_the_weights_predict_the_same_bytes(published, run, tiny_data, tmp_path):
    out = published()
    own = predictions(tiny_data, tmp_path / "own", {"seg": run / "seg2/weights.pth", "cls": run / "cls/weights.pth"})
    names = {"seg": out / "weights/seg2.safetensors", "cls": out / "weights/cls.safetensors"}
    assert len(own) == 4 + 7 and predictions(tiny_data, tmp_path / "read", names) == own


def test_every_file_has_its_sum_and_the_same_run_gives_the_same_bytes(published, tmp_path):
    out = published()
    files = contents(out)
    assert contents(published()) == files == contents(published(out=tmp_path / "second"))  # first in the same place
    sums = dict(reversed(line.split("  ")) for line in files.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} and len(sums) > 15


def test_the_card_is_made_of_the_records(published):
    out = published("--stages", "cls", "amn", "seg2")
    text = (out / "README.md").read_text()
    assert text.splitlines()[0] == "# NSROM + AMN + FBR: weakly supervised semantic segmentation"
    assert rows(text, "CAM, threshold 0.5 (best here)") == [["train", "4", "61.25", "71.00", "–", "7.50"]]
    assert rows(text, "CAM, threshold 0.3 (fixed)") == [["train", "4", "41.50", "–", "–", "0.00"]]
    assert rows(text, "masked label (NSRM)") == [["train", "4", "61.25", "71.00", "–", "7.50"]]
    assert rows(text, "lr") == [["0.5"], ["0.5"], ["0.5"]]
    assert f"- commit: {COMMIT}, {COMMIT}-dirty\n" in text and "disc, square, bar\n" in text
    for name in ("cls", "amn", "seg2"):
        sum = hashlib.sha256((out / f"weights/{name}.safetensors").read_bytes()).hexdigest()
        assert rows(text, f"`weights/{name}.safetensors`")[0][-1] == sum
    assert len(list((out / "weights").iterdir())) == 3


@pytest.mark.parametrize("sign", ["init", "moved", "names"])
def test_toy_weights_are_called_so_in_the_first_line(published, run, tmp_path, sign):
    more = []
    if sign == "names":  # no record tells, but the classes
        for name in ("cls", "seg1", "seg2"):
            content = checkpoint.load(run / name / "weights.pth")
            content["arch"]["class_names"] = ["ball", "box", "tent", "cross", "ring", "star"]
            checkpoint.save(run / name / "weights.pth", **content)
    elif sign == "init":
        put(tmp_path / "init/stage.json", called("weights.pretrain_toy"))
        put(run / "cls/stage.json", called("cls.train", data="gone", split="train", init="init/weights.pth"))
    else:
        put(tmp_path / "toy/stage.json", called("data.prepare_toy"))
        more = ["--data", tmp_path / "toy"]
    assert (published(*more) / "README.md").read_text().startswith("**Toy weights: ")


def test_the_archive_holds_the_labels(published, run):
    out = published()
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["label_masked.tar.gz", "pred1.tar.gz"]
    with tarfile.open(out / "labels/pred1.tar.gz") as archive:
        assert [each.name for each in archive.getmembers()] == ["pred1/a.png", "pred1/b.png"]
        assert all((each.mtime, each.uid, each.uname) == (0, 0, "") for each in archive.getmembers())
        assert archive.extractfile("pred1/a.png").read() == (run / "pred1/a.png").read_bytes()
    assert not (published("--no-labels") / "labels").exists()


def test_no_place_and_no_name_of_a_machine_gets_out(published, tmp_path):
    out = published()
    for name, content in contents(out).items():
        for word in (b"alice", b"secret", b"/home", str(tmp_path).encode()):
            assert word not in content and word.decode() not in name, name
    found = json.loads((out / "logs/pred1/stage.json").read_text())
    assert found["arguments"]["data"] == "photos" and found["arguments"]["weights"] == "mine/seg2/w.pth"
    assert found["call"] == "python -m seg.predict --out mine"
    assert [path.name for path in (out / "logs/cls/tensorboard").iterdir()] == ["events.out.tfevents.1769860800.0"]


@pytest.mark.parametrize("text, expected", [
    ("data/toy", "data/toy"), ("/home/alice/data", "data"), ("../other/run", "run"), ("data/../../alice", "alice"),
    ("python -m x --data '/home/al ice/my set' --out=/tmp/o", "python -m x --data 'my set' --out=o"),
    ("/home/alice/runs/mine/seg1/weights.pth", "mine/seg1/weights.pth"),
    ("/home/alice/runs/mine, 4 images: mIoU 5 %", "mine, 4 images: mIoU 5 %"),
    ("see https://example.org/a/b, 3/4 and 1 / 2", "see https://example.org/a/b, 3/4 and 1 / 2"),
    ("file:///home/alice/x", "file:x"), ("/home/alice/it's secret/x: 4 of data/toy", "x: 4 of data/toy"),
    ("--data ../al ice/x --maps data/cam", "--data x --maps data/cam"), ("/", "/"), ("/mnt/Doe, J - work/x", "x"),
    ("/home/alice/cam, 3/4 images", "cam, 3/4 images"), ("/a/x: Doe /b/y", "x: Doe y"),
    ("'unbalanced (/home/alice/x)", "'unbalanced (x)"),
])  # fmt: skip
def test_paths_are_cut_to_what_a_reader_needs(text, expected):
    assert shareable({"a": [text, 5]}, Path("/home/alice/runs/mine")) == {"a": [expected, 5]}


def test_what_cannot_be_published_is_refused_and_nothing_is_written(published, run, tmp_path):
    for path, content, message in (
        ("seg2/stage.json", json.dumps(called("seg.train") | {"finished": None}), "seg2: seg.train has not finished"),
        ("seg1/weights.pth", "", "seg1/weights.pth: "),
    ):
        before = (run / path).read_bytes()
        (run / path).write_text(content)
        files = contents(tmp_path)
        with pytest.raises(InputError, match=message):
            published()
        assert contents(tmp_path) == files
        (run / path).write_bytes(before)


def test_records_from_elsewhere_cannot_mark_up_the_card(published, run):
    evil = called("seg.train", data="a | b\n# Mine", split="`x` <script>", labels=["\ud800", {"a": 1}])
    put(run / "seg2/stage.json", evil)
    text = (published() / "README.md").read_text()
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == 1
    assert "a \\| b # Mine" in text and "\\`x\\` \\<script>" in text and " <script>" not in text
