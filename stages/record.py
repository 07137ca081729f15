"""One command, one output folder, one record `stage.json`: arguments, inputs, and whether the stage is finished.

A finished stage with the same arguments is skipped, an unfinished one resumes, one with others is an error.
"""

import argparse
import fcntl
import fnmatch
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from stages import distributed
from stages.files import InputError, read_json, sync_file, write_json
from stages.fingerprints import Memory, Selection, content_of, fingerprint

# Arguments that change how a stage runs, but not its output.
UNRECORDED = {"out", "force", "workers", "device", "save_every", "save_minutes", "inference_batch_size", "crf_memory"}
UNRECORDED |= {"val_every", "val_split"}
TRAINING_STATE = "training.pth"  # from which an unfinished training resumes
LOCK = ".lock"
SYNCED = 64  # files that a thread waits for, one after the other
KEYS = {"command", "arguments", "inputs", "started", "finished"}  # that every record has
PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "scipy", "timm", "pydensecrf2")


class Stage:
    """The record of a command's output folder, `<out>/stage.json`.

    Arguments of type Path are inputs: they must exist, and if they are (in) the folder of another stage, that stage
    must be finished. `reads` says for some of them, by name, which files of the folder count.
    """

    def __init__(self, command: str, args: argparse.Namespace, reads: dict[str, Selection] | None = None):
        self.out, reads = args.out, reads or {}
        self.record_path = args.out / "stage.json"
        self.lock_path = args.out / LOCK
        self.lock = None
        self.created = []  # folders, by `begin`
        self.force = args.force
        recorded = {k: v for k, v in sorted(vars(args).items()) if k not in UNRECORDED}
        inputs = {k: v for k, v in recorded.items() if isinstance(v, Path)}
        found = None if self.force else self._read_record()
        known = found["inputs"] if found else {}
        for name, path in inputs.items():
            self._check_input(_option(name), path, name in reads)
        self.memories = {k: Memory(v, [v, self.out.parent] if k in reads else []) for k, v in inputs.items()}
        self.record = {
            "command": command,
            "arguments": {k: _plain(v) for k, v in recorded.items()},
            "inputs": {
                k: fingerprint(_option(k), v, known.get(k), reads.get(k), self.memories[k]) for k, v in inputs.items()
            },
            "versions": _versions(),
            "call": shlex.join([Path(sys.executable).name, "-m", command, *sys.argv[1:]]),
            "processes": distributed.WORLD_SIZE,
            "started": _now(),
            "finished": None,
        }

    def begin(self):
        """Prepares the output folder. Returns False if the stage is finished already.

        Raises InputError if the folder holds anything but this stage's own work, or if another process is writing it.
        """
        if self._is_finished():
            self._tidy()
            return False
        try:
            self.created = [place for place in (self.out, *self.out.parents) if not place.exists()]  # the deepest first
            self.out.mkdir(parents=True, exist_ok=True)
            self._acquire()
            for memory in self.memories.values():
                memory.save()  # beside --out, if it could not be beside the input
            if self._is_finished():  # by another process, in the meantime
                return False
            self._clean()
            found = self._read_record()
            if found and (self.force or found.get("clearing")):
                # should this process be killed in the meantime, the next one has to clear, too
                write_json(self.record_path, self.record | {"clearing": True})
                self._clear()
            elif found:
                self.record["started"] = found["started"]
            write_json(self.record_path, self.record)
        except OSError as error:
            raise InputError(f"{self.out}: cannot be written ({error.strerror})") from None
        return True

    def finish(self, summary):
        """Marks the stage as done once everything is on the disk, and drops what only an unfinished training needs."""
        files = [f"{self.out}/{name}" for name in content_of(self.out)]
        parts = [files[start : start + SYNCED] for start in range(0, len(files), SYNCED)]
        with ThreadPoolExecutor(16) as pool:  # a disk settles many files in the time of one, if they wait together
            for _ in pool.map(_sync, parts):
                pass
        self.record.update(summary=summary, machine=machine(), files=len(files), finished=_now())
        write_json(self.record_path, self.record)
        (self.out / TRAINING_STATE).unlink(missing_ok=True)

    def _tidy(self):
        """Deletes the checkpoint of a training that was killed as it finished; notes new times of unchanged inputs."""
        with suppress(OSError):  # another user's folder
            (self.out / TRAINING_STATE).unlink(missing_ok=True)
            recorded = self._read_record()
            if recorded["inputs"] != self.record["inputs"]:
                write_json(self.record_path, recorded | {"inputs": self.record["inputs"]})

    def release(self):
        """Lets others write the folder. The lock's file stays: were it deleted, two others could lock one each."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def withdraw_if_empty(self):
        """Leaves no trace of a stage that failed before it wrote anything."""
        if self._holds_more_than(LOCK, "stage.json", "tensorboard"):
            return
        self._clear()
        for path in (self.record_path, self.lock_path):
            path.unlink(missing_ok=True)
        for folder in self.created:
            if not any(folder.iterdir()):
                folder.rmdir()

    def _holds_more_than(self, *names):
        return any(name not in names and not name.endswith(".partial") for name in os.listdir(self.out))

    def _is_finished(self):
        """Whether everything is done. Raises InputError if what is there is not this stage's own work."""
        found = self._read_record()
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out}: expected a folder to write to, found a file")
        if found is None:
            if self.out.is_dir() and self._holds_more_than(LOCK):
                advice = "stage.json is not there to say what made it; choose another --out"
                raise InputError(f"{self.out}: exists, but {advice}")
            return False
        if found["command"] != self.record["command"]:
            made_by = f"it was made by {found['command']}; choose another --out"
            raise InputError(f"{self.out}: belongs to another run: {made_by}")
        if self.force:
            return False
        if difference := self._difference(found):
            advice = "choose another --out, or --force to redo it"
            raise InputError(f"{self.out}: belongs to another run: {difference}; {advice}")
        return bool(found["finished"]) and len(content_of(self.out)) >= found.get("files", 0)

    def _read_record(self):
        """The record that is there, or None. Raises InputError if it is not one of a stage."""
        if not self.record_path.exists():
            return None
        found = read_json(self.record_path)
        if not isinstance(found, dict) or not KEYS <= found.keys():
            raise InputError(f"{self.record_path}: expected the record of a stage; choose another --out")
        return found

    def _check_input(self, option, path, selected):
        """Raises InputError if an input is missing or unfinished, or contains the output folder."""
        if not path.exists():
            raise InputError(f"{option} {path}: no such file or folder")
        out = self.out.resolve()
        if out == path.resolve() or path.resolve() in out.parents and not selected:
            raise InputError(f"{self.out}: expected an --out outside of {option} {path}")
        record = next((record for record in (path / "stage.json", path.parent / "stage.json") if record.exists()), None)
        if record and not (found := read_json(record)).get("finished"):
            raise InputError(f"{option} {path}: {found.get('command')} has not finished there; run it again first")

    def _acquire(self):
        """Takes the folder's lock, which the system releases when this process ends, however it ends."""
        descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not inherited by a loader's processes
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise InputError(f"{self.out}: another process is writing it") from None
        except OSError:
            pass  # a file system without locks
        self.lock = descriptor

    def _clean(self):
        """Deletes the incomplete files of a process that was killed."""
        for place, _, names in os.walk(self.out):
            for name in fnmatch.filter(names, ".*.partial"):
                Path(place, name).unlink(missing_ok=True)

    def _clear(self):
        """Deletes everything but the record and the lock."""
        for path in self.out.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path not in (self.record_path, self.lock_path):
                path.unlink()

    def _difference(self, found):
        """The first difference between an earlier record and this one, in words, or None."""
        before, now = found["arguments"], self.record["arguments"]
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                return f"{_option(key)} was {before.get(key)}, now {now.get(key)}"
        before, now = found["inputs"], self.record["inputs"]
        for key in sorted(before.keys() | now.keys()):
            if (before.get(key) or {}).get("sha256") != (now.get(key) or {}).get("sha256"):
                return f"{_option(key)} had another content"
        return None


def _sync(files):
    for path in files:
        sync_file(path)


def read_arguments(out):
    """The arguments in the record of the folder `out`, or None where there is none."""
    path = out / "stage.json"
    found = read_json(path) if path.exists() else None
    return found.get("arguments") if isinstance(found, dict) else None


def _option(name):
    return "--" + name.replace("_", "-")


def _now():
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _plain(value):
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def machine():
    """The processor's name and the number of its cores, and the first GPU's name if PyTorch is in use and sees one."""
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else None
    name = f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores"
    torch = sys.modules.get("torch")
    return f"{name}, {torch.cuda.get_device_name()}" if torch and torch.cuda.is_available() else name


def _versions():
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    here = Path(__file__).resolve().parent
    describe = ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
    with suppress(OSError):  # there is no git
        commit = subprocess.run(describe, capture_output=True, text=True)
        if commit.returncode == 0:
            versions["commit"] = commit.stdout.strip()
    return versions
