"""One command, one output folder, one `stage.json`: what was asked, from what, and whether it is done.

A finished stage with the same arguments is skipped, an unfinished one goes on, another one is an error.
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

# Arguments that change how a stage runs, not what it writes.
UNRECORDED = {"out", "force", "workers", "device", "save_every", "save_minutes", "inference_batch_size", "crf_memory"}
UNRECORDED |= {"val_every", "val_split"}
TRAINING_STATE = "training.pth"  # what an unfinished training goes on from
LOCK = ".lock"
SYNCED = 64  # files that a thread waits for, one after the other
KEYS = {"command", "arguments", "inputs", "started", "finished"}  # that every record has
PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "scipy", "pydensecrf2")


class Stage:
    """The record of a command's output folder, `<out>/stage.json`.

    Arguments of type Path are inputs: they must exist, and if they are (in) the folder of another stage, that stage
    must be finished. `reads` says for some of them, by name, which files of the folder count.
    `defaults` are those of the arguments: what a record is taken to have had that lacks an argument, which was added to
    the command since.
    """

    def __init__(
        self,
        command: str,
        args: argparse.Namespace,
        reads: dict[str, Selection] | None = None,
        defaults: dict | None = None,
    ):
        self.out, reads = args.out, reads or {}
        self.record_path = args.out / "stage.json"
        self.lock_path = args.out / LOCK
        self.lock = None
        self.created = []  # folders, by `begin`
        self.force = args.force
        self.defaults = {name: _plain(value) for name, value in (defaults or {}).items()}
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
        """Makes the output folder ready. Returns False if everything in it is done already.

        Raises InputError if the folder holds anything but this stage's own work, or if another process is at it.
        """
        if self._is_finished():
            self._tidy()
            self._remember_inputs()
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
        self._tidy()

    def _tidy(self):
        """Drops what a finished stage does not need, which one that was killed as it finished has left."""
        state = self.out / TRAINING_STATE
        if self.lock_path.exists() or state.exists():
            with suppress(OSError, InputError):  # another's folder, or another is at it
                self._acquire()
                state.unlink(missing_ok=True)
                self.release()

    def _remember_inputs(self):
        """Notes in the record of a finished stage that its inputs, whose times have changed, are the same."""
        found = self._read_record()
        if found["inputs"] != self.record["inputs"]:
            with suppress(OSError):  # another's folder
                write_json(self.record_path, found | {"inputs": self.record["inputs"]})

    def release(self):
        """Lets others write the folder."""
        if self.lock is not None:
            self.lock_path.unlink(missing_ok=True)
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
        """Raises InputError if an input is missing or unfinished, or is what the stage would write."""
        if not path.exists():
            raise InputError(f"{option} {path}: no such file or folder")
        out = self.out.resolve()
        if out == path.resolve() or path.resolve() in out.parents and not selected:
            raise InputError(f"{self.out}: expected an --out outside of {option} {path}")
        record = next((record for record in (path / "stage.json", path.parent / "stage.json") if record.exists()), None)
        if record and not (found := read_json(record)).get("finished"):
            raise InputError(f"{option} {path}: {found.get('command')} has not finished there; run it again first")

    def _acquire(self):
        """Takes the lock of the folder, which the system releases when this process ends, however it does."""
        while self.lock is None:
            descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not inherited by a loader's processes
            except (BlockingIOError, PermissionError):
                os.close(descriptor)
                raise InputError(f"{self.out}: another process is writing it") from None
            except OSError:
                pass  # a file system without locks
            try:
                same = os.path.samestat(os.stat(self.lock_path), os.fstat(descriptor))
            except FileNotFoundError:  # its last owner has just deleted it
                same = False
            if same:
                self.lock = descriptor
            else:
                os.close(descriptor)

    def _clean(self):
        """Deletes what a process that was killed had begun to write."""
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
        """The first thing in which an earlier record differs from what is asked now, in words, or None."""
        before, now = found["arguments"], self.record["arguments"]
        before = {key: self.defaults[key] for key in now if key in self.defaults} | before
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
