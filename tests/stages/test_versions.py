"""stages.versions: several processes find what one finds, whatever the files are called, and errors name the file."""

import os
from types import SimpleNamespace

import pytest

from stages import parallel, versions
from stages.versions import versions as versions_of


@pytest.fixture
def several(monkeypatch):
    """Lets three processes ask for as few as two files each; returns how many were started, in a list that grows."""
    import subprocess

    started, run = [], subprocess.run
    monkeypatch.setattr(versions, "MANY", 2)
    monkeypatch.setattr(parallel, "cores", lambda: 3)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: started.append(a) or run(*a, **k))
    return started


@pytest.fixture
def files(tmp_path):
    """Names of eight files below tmp_path, one in a folder, one linked, with sizes and times of their own."""
    names = ["a.png", "b with space.png", "c\nline.png", "dü.png", "e-1.png", "f.png", "sub/g.png", "link.png"]
    names[4] = os.fsdecode(b"e\xff.png")  # no UTF-8
    (tmp_path / "sub").mkdir()
    for number, name in enumerate(names[:-1]):
        (tmp_path / name).write_bytes(b"x" * number)
        os.utime(tmp_path / name, ns=(0, 10**18 + number))
    (tmp_path / "link.png").symlink_to("f.png")
    return names


def test_several_processes_find_what_one_finds(tmp_path, files, several):
    expected = [(number, 10**18 + number) for number in [*range(7), 5]]
    assert versions_of(tmp_path, files) == expected and len(several) == 3
    several.clear()
    assert versions_of(str(tmp_path), files[:3]) == expected[:3] and not several
    assert versions_of(tmp_path, []) == [] and not several


def test_a_file_itself_has_the_empty_name(tmp_path, files):
    assert versions_of(tmp_path / "f.png", [""]) == [(5, 10**18 + 5)]


def test_the_file_that_is_missing_is_named(tmp_path, files, several):
    (tmp_path / "dü.png").unlink()
    with pytest.raises(FileNotFoundError) as error:
        versions_of(tmp_path, files)
    assert error.value.filename == f"{tmp_path}/dü.png" and several


@pytest.mark.parametrize("python", ["/bin/false", "/bin/pwd", "/nonexistent/python", ""])
def test_without_other_processes_it_asks_itself(tmp_path, files, several, monkeypatch, python):
    monkeypatch.setattr(versions.sys, "executable", python)
    assert len(versions_of(tmp_path, files)) == 8 and several


def test_a_time_beyond_64_bits(tmp_path, files, several, monkeypatch):
    stat = os.stat

    def of_the_future(*place, **more):
        found = stat(*place, **more)
        return SimpleNamespace(st_size=found.st_size, st_mtime_ns=2**63 + found.st_mtime_ns)

    monkeypatch.setattr(versions.os, "stat", of_the_future)
    assert versions_of(tmp_path, files[:2]) == [(0, 2**63 + 10**18), (1, 2**63 + 10**18 + 1)]
