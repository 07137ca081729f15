"""One command, one output folder, one `stage.json`: what was asked, from what, and whether it is done.

A finished stage with the same arguments is skipped, an unfinished one goes on, another one is an error.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import uuid
from importlib import metadata
from pathlib import Path

from common.files import InputError, read_json, write_json

# Arguments that change how a stage runs, not what it writes.
UNRECORDED = {"out", "force", "workers", "device", "save_every", "inference_batch_size"}
TRAINING_STATE = "training.pth"  # what an unfinished training goes on from
PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "scipy", "pydensecrf2")


class Stage:
    """The record of a command's output: `<out>/stage.json`, or `<name>.json` beside a single output file.

    Arguments of type Path are inputs: they must exist, and if they are (in) the folder of another stage, that stage
    must be finished; its id goes into the record, so that a stage made again is noticed by those that read it.
    """

    def __init__(self, command, args):
        self.out = args.out
        self.is_file = args.out.suffix == ".pth"
        self.record_path = args.out.with_suffix(".json") if self.is_file else args.out / "stage.json"
        self.force = args.force
        recorded = {k: v for k, v in sorted(vars(args).items()) if k not in UNRECORDED}
        self.record = {
            "command": command,
            "arguments": {k: _plain(v) for k, v in recorded.items()},
            "inputs": {k: _fingerprint(k, v) for k, v in recorded.items() if isinstance(v, Path)},
            "versions": _versions(),
            "id": uuid.uuid4().hex,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
            "finished": None,
        }

    def begin(self):
        """Makes the output folder ready. Returns False if everything in it is done already.

        Raises InputError if the folder holds anything but this stage's own work.
        """
        occupied = self.out.exists() if self.is_file else self.out.is_dir() and any(self.out.iterdir())
        if not self.is_file and self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out}: expected a folder to write to, found a file")
        if self.record_path.exists():
            found = read_json(self.record_path)
            if not isinstance(found, dict):
                raise InputError(f"{self.record_path}: expected the record of a stage; choose another --out")
            if found.get("command") != self.record["command"]:
                raise InputError(
                    f"{self.out}: belongs to another run: it was made by {found.get('command')}; choose another --out"
                )
            if self.force:
                self._clear()
            elif difference := self._difference(found):
                raise InputError(
                    f"{self.out}: belongs to another run: {difference}; choose another --out, or --force to redo it"
                )
            elif not found["finished"]:
                self.record.update(id=found["id"], started=found["started"])
            elif self.out.exists():  # a file could have been deleted since
                return False
        elif occupied:
            raise InputError(
                f"{self.out}: exists, but {self.record_path.name} is not there to say what made it; choose another --out"
            )
        try:
            self.record_path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.record_path, self.record)
        except OSError as error:
            raise InputError(f"{self.out}: cannot be written ({error.strerror})") from None
        return True

    def finish(self, summary):
        """Marks the stage as done, and drops what only an unfinished training needs."""
        self.record.update(summary=summary, machine=machine(), finished=time.strftime("%Y-%m-%d %H:%M:%S"))
        write_json(self.record_path, self.record)
        if not self.is_file:
            (self.out / TRAINING_STATE).unlink(missing_ok=True)

    def withdraw_if_empty(self):
        """Leaves no trace of a stage that failed before it wrote anything."""
        if self.is_file:
            if not self.out.exists():
                self._clear()
        elif self.out.is_dir() and {path.name for path in self.out.iterdir()} <= {"stage.json", "tensorboard"}:
            shutil.rmtree(self.out)

    def _clear(self):
        if self.is_file:
            self.out.unlink(missing_ok=True)
            self.record_path.unlink(missing_ok=True)
            shutil.rmtree(self.out.with_suffix(".tensorboard"), ignore_errors=True)
        else:
            shutil.rmtree(self.out)

    def _difference(self, found):
        """The first thing in which an earlier record differs from what is asked now, in words, or None."""
        for kind, verb in (("arguments", "was"), ("inputs", "had another content:")):
            before, now = found.get(kind, {}), self.record[kind]
            for key in sorted(before.keys() | now.keys()):
                if before.get(key) != now.get(key):
                    option = "--" + key.replace("_", "-")
                    return f"{option} {verb} {before.get(key)}, now {now.get(key)}"
        return None


def _plain(value):
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def _fingerprint(name, path):
    """What identifies an input: the id of the stage that made it or what it lies in, or a file's SHA-256.

    None for a folder from elsewhere.
    """
    if not path.exists():
        raise InputError(f"--{name.replace('_', '-')} {path}: no such file or folder")
    record = next((record for record in (path / "stage.json", path.parent / "stage.json") if record.exists()), None)
    if record:
        found = read_json(record)
        if not found.get("finished"):
            raise InputError(
                f"--{name.replace('_', '-')} {path}: {found.get('command')} has not finished there; run it again first"
            )
        return found["id"]
    if path.is_dir():
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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
    commit = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True)
    if commit.returncode == 0:
        versions["commit"] = commit.stdout.strip()
    return versions
