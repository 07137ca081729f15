"""The checks of scripts/torture.sh that follow its two runs, one undisturbed and one killed all the time.

python tests/torture/torture.py FOLDER: FOLDER/calm and FOLDER/killed, each with run/, data/ and log.jsonl. Compares
them, then
gives stages too small a disk and too little memory. Prints what docs/reliability.md shows, ends with status 1 at a
difference.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from stages.record import machine  # noqa: E402

NOT_COMPARED = {"tensorboard", "log.jsonl", ".fingerprints"}  # there are times in them
FIRST_LIMIT = 400  # MiB of address space, enough for what a stage imports before it begins
DISK = ("data.prepare_toy", "cls.train", "cls.infer", "pseudo.background", "seg.train", "seg.predict")
MEMORY = ("cls.train", "cls.infer", "seg.train", "seg.predict")


def content(folder):
    """{relative path: bytes} of all files below a folder, hidden ones too; of a record what has to be the same."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not NOT_COMPARED & {*relative.parts}:
            found[str(relative)] = record(path) if path.name == "stage.json" else path.read_bytes()
    return found


def record(path):
    """Of a stage's record all but times, folders and commits."""
    found = json.loads(path.read_text())
    inputs = {name: value["sha256"] for name, value in found["inputs"].items()}
    return json.dumps([found["command"], inputs, found["files"]]).encode()


def differences(one, other):
    """The files in which two folders differ, or that only one of them has."""
    first, second = content(one), content(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def out_of(line):
    """Where a stage of the undisturbed run wrote: its last --out counts."""
    arguments = line["arguments"]
    return Path(arguments[len(arguments) - arguments[::-1].index("--out")])


def with_out(line, out):
    """The command of a stage with another --out."""
    return [sys.executable, "-m", line["stage"], *line["arguments"], "--out", str(out)]


def expect_one_line(result, what, words):
    """Whether a stage ended as it should where there was no room; prints how, if not."""
    lines = result.stderr.strip().splitlines()
    if result.returncode == 2 and len(lines) == 1 and any(word in lines[0] for word in words):
        return True
    print(f"{what}: expected status 2 and one line, found status {result.returncode}:\n{result.stderr[-2000:]}")
    return False


def finishes(line, out, what):
    """Whether the same command, with room, ends with what the undisturbed run has."""
    result = subprocess.run(with_out(line, out), capture_output=True, text=True)
    if result.returncode:
        print(f"{what}: status {result.returncode} after room was made:\n{result.stderr[-2000:]}")
        return False
    if found := differences(out, out_of(line)):
        print(f"{what}: differs after room was made: {found[:5]}")
    return not found


def full_disk(folder, lines):
    """Runs stages into a file system with room for a few small files, makes room, runs them again. {stage: passed}"""
    disk, passed = folder / "disk", {}
    for line in lines:
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", disk], check=True)
        try:
            out = disk / "out"
            result = subprocess.run(with_out(line, out), capture_output=True, text=True)
            told = expect_one_line(result, f"{line['stage']} on a full disk", ["No space left on device"])
            subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
            passed[line["stage"]] = finishes(line, out, f"{line['stage']} on a full disk") and told
        finally:
            subprocess.run(["umount", disk], check=True)
            disk.rmdir()
    return passed


def little_memory(folder, lines):
    """Runs stages with ever more address space until they get through. {stage: (how often too little, passed)}"""
    passed = {}
    for line in lines:
        out, megabytes, ended = folder / "memory" / "out", FIRST_LIMIT, []
        while True:
            limit = megabytes << 20
            result = subprocess.run(
                with_out(line, out),
                capture_output=True,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                preexec_fn=partial(resource.setrlimit, resource.RLIMIT_AS, (limit, limit)),
            )
            if result.returncode == 0:
                break
            what = f"{line['stage']} with {megabytes} MiB of address space"
            ended.append(expect_one_line(result, what, ["not enough memory", "Cannot allocate memory"]))
            megabytes = round(megabytes * 1.4)
        same = not differences(out, out_of(line))
        passed[line["stage"]] = (len(ended), all(ended) and same)
        shutil.rmtree(folder / "memory")  # what has come so far is not taken into the next run
    return passed


def can_mount():
    probe = "d=$(mktemp -d) && mount -t tmpfs tmpfs $d && umount $d; rmdir $d"
    return subprocess.run(["bash", "-c", probe], capture_output=True).returncode == 0


def killed_run(folder):
    """Prints what was done to the killed run. Returns whether it ended like the calm one."""
    calm, killed = read(folder / "calm" / "log.jsonl"), read(folder / "killed" / "log.jsonl")
    kills = [(line["stage"], kill) for line in killed for kill in line["kills"]]
    signals = Counter(kill["signal"] for _, kill in kills)
    hit = Counter(stage for stage, _ in kills)
    found = differences(folder / "calm", folder / "killed")
    longest = {name: max(kill["gone"] for _, kill in kills if kill["signal"] == name) for name in sorted(signals)}
    print(f"- kills: {len(kills)}, {' and '.join(f'{number} {name}' for name, number in sorted(signals.items()))}")
    print(f"- stages hit: {', '.join(f'{stage} {number}' for stage, number in sorted(hit.items()))}")
    print(
        f"- files compared byte by byte: {len(content(folder / 'calm'))}; differences: {' '.join(found[:10]) or 'none'}"
    )
    print(f"- until all processes had ended: {', '.join(f'{name} {s:.1f} s' for name, s in longest.items())} at most")
    return not found and len(calm) == len(killed)


def main():
    folder = Path(sys.argv[1])
    first = {line["stage"]: line for line in reversed(read(folder / "calm" / "log.jsonl"))}
    passed = killed_run(folder)
    if can_mount():
        disk = full_disk(folder, [first[stage] for stage in DISK])
        print(f"- full disk, then room: {', '.join(f'{stage} {verdict(ok)}' for stage, ok in disk.items())}")
        passed &= all(disk.values())
    else:
        print("- full disk: not tried, because it needs the right to mount a tmpfs")
    memory = little_memory(folder, [first[stage] for stage in MEMORY])
    parts = (f"{stage} {verdict(ok)} (ended {times} times for want of it)" for stage, (times, ok) in memory.items())
    print(f"- too little memory, then more: {', '.join(parts)}")
    passed &= all(ok for _, ok in memory.values())
    print(f"- on {machine()}")
    sys.exit(0 if passed else 1)


def verdict(ok):
    return "ok" if ok else "FAILED"


if __name__ == "__main__":
    main()
