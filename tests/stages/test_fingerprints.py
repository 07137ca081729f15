"""stages.fingerprints: each version of a file is read once, and only what a stage declares to read counts."""

import json
import os

import pytest

from stages import fingerprints
from stages.command import main, stage_parser
from stages.files import InputError
from stages.fingerprints import MEMORY, Memory, Selection, fingerprint


@pytest.fixture
def data(tmp_path):
    """A folder with two images and the truth of one."""
    root = tmp_path / "data"
    root.mkdir()
    for name in ("a.jpg", "b.jpg", "a.png"):
        (root / name).write_text(name)
    return root


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are read, in a list that grows."""
    names, sha256 = [], fingerprints.sha256
    monkeypatch.setattr(fingerprints, "sha256", lambda path: names.append(os.path.basename(path)) or sha256(path))
    return names


def images(root, *instead):
    """The fingerprint of the images in the folder `root`, remembered there or else in the folder `instead`."""
    chosen = Selection(["images"], ["a.jpg", "b.jpg"])
    return fingerprint("--data", root, selection=chosen, memory=Memory(root, [root, *instead]))


def test_each_version_of_a_file_is_read_once(data, hashed):
    first = images(data)
    assert first["reads"] == ["images"] and sorted(hashed) == ["a.jpg", "b.jpg"]
    assert images(data) == first and len(hashed) == 2
    (data / "b.jpg").write_text("other")
    assert images(data)["sha256"] != first["sha256"] and hashed[2:] == ["b.jpg"]
    (data / "b.jpg").write_text("b.jpg")
    assert images(data)["sha256"] == first["sha256"]
    assert set(json.loads((data / MEMORY).read_text())) == {"a.jpg", "b.jpg"}


def test_many_files_are_all_read_and_the_missing_one_is_named(tmp_path, hashed):
    names = [f"{number}.jpg" for number in range(3 * fingerprints.PART + 1)]
    for name in names:
        (tmp_path / name).write_text(name)
    everything = fingerprint("--data", tmp_path, selection=Selection(["images"], names))
    assert sorted(hashed) == sorted(names)
    (tmp_path / names[-1]).write_text("other")
    assert fingerprint("--data", tmp_path, everything, Selection(["images"], names))["sha256"] != everything["sha256"]
    (tmp_path / names[-1]).unlink()
    with pytest.raises(InputError, match=f"--data {tmp_path}: no such file or folder .{tmp_path}/{names[-1]}."):
        fingerprint("--data", tmp_path, everything, Selection(["images"], names))


def test_memory_moves_with_the_data_set(data, hashed, tmp_path):
    images(data)
    assert images(data.rename(tmp_path / "moved")) and len(hashed) == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"a.jpg": 7}', '{"a.jpg": [5]}', b"\xff\xfe"])
def test_damaged_memory_is_ignored(data, text):
    before = images(data)["sha256"]
    (data / MEMORY).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert images(data)["sha256"] == before
    assert len(json.loads((data / MEMORY).read_text())["a.jpg"]) == 3


@pytest.fixture
def read_only(data, monkeypatch):
    """The data folder, where nothing can be written, by root neither."""
    write = fingerprints.write_text

    def write_text(path, text):
        if path.parent == data:
            raise PermissionError(13, "Permission denied", str(path))
        write(path, text)

    monkeypatch.setattr(fingerprints, "write_text", write_text)
    return data


def test_memory_of_a_read_only_data_set_lies_in_the_runs_folder(read_only, hashed, tmp_path):
    run = tmp_path / "run"
    memory = Memory(read_only, [read_only, run])
    chosen = Selection(["images"], ["a.jpg", "b.jpg"])
    first = fingerprint("--data", read_only, selection=chosen, memory=memory)
    run.mkdir()  # as stages.record.Stage.begin does
    memory.save()
    assert set(json.loads((run / MEMORY).read_text())) == {"../data/a.jpg", "../data/b.jpg"}
    assert images(read_only, run) == first and len(hashed) == 2
    assert not (read_only / MEMORY).exists()


@pytest.fixture
def stage(data, tmp_path, monkeypatch, capsys):
    """`stage(parts)` runs a stage that reads those endings of the data set's files. Returns (status, all it says)."""

    def stage(*endings, out="out", more=()):
        parser = stage_parser("Reads.")

        def reads(args):
            files = sorted(path.name for ending in endings for path in data.glob(f"*{ending}"))
            return {"data": Selection(list(endings), files)}

        def run(args):
            (args.out / "made.txt").write_text("made")
            return "made"

        monkeypatch.setattr(
            "sys.argv", ["words/read.py", "--data", str(data), "--split", "all", "--out", str(tmp_path / out), *more]
        )
        status = 0
        try:
            main(parser, run, reads=reads)
        except SystemExit as exit:
            status = exit.code
        return status, "".join(capsys.readouterr())

    return stage


def test_what_a_stage_does_not_read_is_no_change(stage, data):
    assert stage(".jpg")[0] == 0
    (data / "a.png").write_text("changed")
    (data / "b.png").write_text("new")
    assert "nothing to do" in stage(".jpg")[1]
    (data / "b.jpg").write_text("changed")
    status, said = stage(".jpg")
    assert status == 2 and "--data had another content" in said
    assert stage(".jpg", more=["--force"])[0] == 0
    assert "nothing to do" in stage(".jpg")[1]
