"""stages.record and stages.command: a command that is run again, changed, forced, or given the wrong thing."""

import json
import os
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from stages import interruption
from stages.command import main, stage_parser
from stages.files import InputError
from stages.record import SYNCED, Stage


@pytest.fixture
def stage(monkeypatch, capsys):
    """`stage("copy", "--source", dir, …)` runs a small stage that copies word.txt to `<out>/word.txt`, and raises
    `before` or `after` it has written. Returns (exit status, stdout, stderr)."""

    def stage(command, *arguments, before=None, after=None):
        parser = stage_parser("Copies a word.", data=False)
        parser.add_argument("--source", type=Path, required=True)
        parser.add_argument("--times", type=int, default=1, help="how often")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--workers", type=int, default=1)

        def run(args):
            if before:
                raise before
            (args.out / "word.txt").write_text((args.source / "word.txt").read_text() * args.times)
            if after:
                raise after
            return f"{args.times} words"

        monkeypatch.setattr(sys, "argv", [f"words/{command}.py", *map(str, arguments)])
        status = 0
        try:
            main(parser, run)
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return stage


@pytest.fixture
def source(tmp_path):
    """A folder from elsewhere, with nothing in it but the input."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "word.txt").write_text("word")
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "runs" / "out"


def record(out):
    return json.loads((out / "stage.json").read_text())


def refused(result, *parts):
    """The result is exit status 2 and one line on stderr with all of `parts` in it, no traceback."""
    status, _, stderr = result
    assert status == 2
    assert len(stderr.splitlines()) == 1, stderr
    assert all(str(part) in stderr for part in parts), stderr
    return True


def test_runs_records_and_skips(stage, source, out):
    status, stdout, stderr = stage("copy", "--source", source, "--out", out, "--times", 2)
    assert (status, stderr) == (0, "") and "words.copy: 2 words" in stdout
    found = record(out)
    assert found["command"] == "words.copy" and found["finished"] and found["summary"] == "2 words"
    assert found["arguments"] == {"source": str(source), "times": 2, "seed": 0}
    assert found["versions"]["python"]
    (out / "word.txt").write_text("untouched")
    status, stdout, _ = stage("copy", "--source", source, "--out", out, "--times", 2, "--workers", 8)  # no matter
    assert status == 0 and "nothing to do" in stdout and (out / "word.txt").read_text() == "untouched"


def test_another_argument_is_named_and_force_redoes(stage, source, out):
    stage("copy", "--source", source, "--out", out)
    before = record(out)
    second = stage("copy", "--source", source, "--out", out, "--times", 3)
    assert refused(second, out, "--times was 1, now 3", "--force")
    assert refused(stage("copy", "--source", source, "--out", out, "--seed", 1), "--seed was 0, now 1")
    assert record(out) == before and (out / "word.txt").read_text() == "word"
    (out / "old.txt").write_text("left over")
    assert stage("copy", "--source", source, "--out", out, "--times", 3, "--force")[0] == 0
    assert (out / "word.txt").read_text() == "wordwordword"
    assert not (out / "old.txt").exists() and record(out)["arguments"]["times"] == 3


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_foreign_folder_is_never_touched(stage, source, out, force):
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("years of work")
    assert refused(stage("copy", "--source", source, "--out", out, *force), out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_force_does_not_delete_another_commands_folder(stage, source, out):
    stage("copy", "--source", source, "--out", out)
    assert refused(stage("shout", "--source", source, "--out", out, "--force"), "words.copy")
    assert (out / "word.txt").exists()


def test_interrupted_run_goes_on(stage, source, out):
    status, _, stderr = stage("copy", "--source", source, "--out", out, after=KeyboardInterrupt())
    assert status == 130 and "Traceback" not in stderr
    first = record(out) | {"started": "2026-01-01 10:00:00"}
    (out / "stage.json").write_text(json.dumps(first))
    assert not first["finished"] and (out / "word.txt").exists()
    assert refused(stage("copy", "--source", source, "--out", out, "--times", 2), "--times")
    assert stage("copy", "--source", source, "--out", out)[0] == 0
    assert record(out)["finished"] and record(out)["started"] == first["started"]


def test_failure_before_anything_was_written_leaves_no_trace(stage, source, out):
    result = stage("copy", "--source", source, "--out", out, before=InputError("a.png: broken"))
    assert refused(result, "words.copy: error: a.png: broken")
    assert not out.exists()


def test_failure_later_keeps_what_was_written(stage, source, out):
    result = stage("copy", "--source", source, "--out", out, after=InputError("b.png: broken"))
    assert refused(result, "b.png: broken")
    assert (out / "word.txt").exists() and not record(out)["finished"]


def test_input_that_was_touched_is_read_once(stage, source, out):
    stage("copy", "--source", source, "--out", out)
    before = record(out)["inputs"]["source"]
    os.utime(source / "word.txt", (0, 0))
    assert "nothing to do" in stage("copy", "--source", source, "--out", out)[1]
    after = record(out)["inputs"]["source"]
    assert after["seen"] != before["seen"] and after["sha256"] == before["sha256"]


def test_input_that_is_unfinished(stage, source, out, tmp_path):
    stage("copy", "--source", source, "--out", out, after=KeyboardInterrupt())
    result = stage("copy", "--source", out, "--out", tmp_path / "second")
    assert refused(result, "--source", out, "words.copy has not finished")
    assert not (tmp_path / "second").exists()


def test_every_file_is_on_the_disk_before_a_stage_has_finished(out, monkeypatch):
    synced = []
    monkeypatch.setattr("stages.record.sync_file", lambda path: synced.append(Path(path)))
    monkeypatch.setattr("stages.record.write_json", lambda path, content: synced.append(content["finished"]))
    stage = Stage("words.many", Namespace(out=out, force=False))
    stage.begin()
    files = [out / f"{number}.txt" for number in range(3 * SYNCED + 1)]
    for path in files:
        path.write_text("word")
    stage.finish("many words")
    stage.release()
    assert synced[0] is None and set(synced[1:-1]) == set(files) and isinstance(synced[-1], str)


def test_another_content_of_an_input_is_noticed(stage, source, out, tmp_path):
    second = ["--source", out, "--out", tmp_path / "second"]
    stage("copy", "--source", source, "--out", out)
    assert stage("copy", *second)[0] == 0
    assert "nothing to do" in stage("copy", *second)[1]
    stage("copy", "--source", source, "--out", out, "--force")  # made again, but the same
    assert "nothing to do" in stage("copy", *second)[1]
    stage("copy", "--source", source, "--out", out, "--force", "--times", 2)
    assert refused(stage("copy", *second), tmp_path / "second", "--source", "content", "--force")
    assert stage("copy", *second, "--force")[0] == 0


def test_an_edited_renamed_or_added_file_of_an_input_is_noticed(stage, source, out):
    copy = ["copy", "--source", source, "--out", out]
    stage(*copy)
    (source / ".hidden").write_text("no matter")
    assert "nothing to do" in stage(*copy)[1]
    (source / "word.txt").write_text("four")  # of the same length
    assert refused(stage(*copy), "--source had another content")
    (source / "word.txt").write_text("word")
    assert "nothing to do" in stage(*copy)[1]
    (source / "more").mkdir()
    (source / "more" / "b.txt").write_text("")
    assert refused(stage(*copy), "--source had another content")
    (source / "more").rename(source.parent / "elsewhere")
    (source / "more").symlink_to(source.parent / "elsewhere")
    assert refused(stage(*copy), "--source had another content")
    (source / "more" / "b.txt").unlink()
    (source / "word.txt").rename(source / "words.txt")
    assert refused(stage(*copy), "--source had another content")


def test_an_output_inside_of_its_input_is_refused(stage, source):
    for out in (source, source / "deep" / "er"):
        assert refused(stage("copy", "--source", source, "--out", out), "--out outside of --source")
    assert [path.name for path in source.iterdir()] == ["word.txt"]


def test_a_name_that_is_too_long_is_refused(stage, source, tmp_path):
    assert refused(stage("copy", "--source", source, "--out", tmp_path / ("a" * 300)), "stage.json: File name too long")


def test_a_file_that_was_deleted_is_made_again(stage, source, out):
    stage("copy", "--source", source, "--out", out)
    (out / "word.txt").unlink()
    assert stage("copy", "--source", source, "--out", out)[0] == 0
    assert (out / "word.txt").exists()


def test_two_processes_do_not_write_one_folder(stage, source, out):
    out.mkdir(parents=True)
    hold = f"""import fcntl, sys
file = open({str(out / ".lock")!r}, "a+")
fcntl.lockf(file, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold], text=True, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        assert refused(stage("copy", "--source", source, "--out", out), out, "another process is writing it")
        assert [path.name for path in out.iterdir()] == [".lock"]
        other.kill()
    assert stage("copy", "--source", source, "--out", out)[0] == 0
    assert (out / "word.txt").exists()


def test_what_a_killed_process_left_is_cleaned(stage, source, out):
    for place in (out / ".stage.json.17.partial", out / "deep" / ".a.png.17.partial"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("half")
    shutil.move(out / "deep", out.parent / "deep")
    with pytest.raises(ZeroDivisionError):  # a record, too
        stage("copy", "--source", source, "--out", out, before=ZeroDivisionError())
    shutil.move(out.parent / "deep", out / "deep")
    assert stage("copy", "--source", source, "--out", out)[0] == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == [".lock", "deep", "stage.json", "word.txt"]


def test_what_a_process_left_that_was_killed_as_it_finished_goes(stage, source, out):
    stage("copy", "--source", source, "--out", out)
    (out / "training.pth").write_text("")
    assert "nothing to do" in stage("copy", "--source", source, "--out", out)[1]
    assert not (out / "training.pth").exists()


def test_force_that_was_killed_is_cleared_again(stage, source, out, monkeypatch):
    stage("copy", "--source", source, "--out", out)
    (out / "old.txt").write_text("made with other arguments")

    def killed(self):
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Stage, "_clear", killed)
        stage("copy", "--source", source, "--out", out, "--times", 2, "--force")
    assert (out / "old.txt").exists()
    assert stage("copy", "--source", source, "--out", out, "--times", 2)[0] == 0
    assert not (out / "old.txt").exists() and "clearing" not in record(out)


def test_sigterm_ends_with_its_own_status(stage, source, out):
    status, _, stderr = stage("copy", "--source", source, "--out", out, before=interruption.Interrupted(signal.SIGTERM))
    assert status == 143 and stderr == "words.copy: interrupted; the same command resumes it\n"
