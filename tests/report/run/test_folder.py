"""report.run.folder: a folder is replaced as a whole, or stays as it was; nothing else is ever deleted."""

import pytest

from report.run.folder import new_folder
from stages.files import InputError


def write(out, content, error=None):
    with new_folder(out, "marker") as partial:
        (partial / "marker").touch()
        (partial / "content").write_text(content)
        if error:
            raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_replaced_as_a_whole_or_stays_as_it_was(tmp_path):
    out = tmp_path / "reports" / "out"
    write(out, "first")
    (out / "old").touch()
    write(out, "second")
    assert names(out) == ["content", "marker"]
    for error in (InputError("a"), OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises((InputError, type(error))):
            write(out, "third", error)
    assert (out / "content").read_text() == "second" and names(tmp_path / "reports") == ["out"]


def test_what_is_no_such_folder_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    (tmp_path / "file").touch()
    write(tmp_path / "real", "first")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("photos", "file", "link", "file/below"):
        with pytest.raises(InputError, match=f"{name}: "):
            write(tmp_path / name, "second")
    assert names(tmp_path) == ["file", "link", "photos", "real"]
    assert names(tmp_path / "photos") == ["a.jpg"] and (tmp_path / "real" / "content").read_text() == "first"
