"""The versions of many files: (size, time of change in ns) of each, asked by all cores.

Run as a script, as `versions` does for a part of the names: python versions.py FOLDER, names on standard input, each
ended by a zero byte; writes 64-bit numbers. It imports next to nothing, because it starts several times.
"""

import os
import sys
from array import array

MANY = 20_000  # files, for which another process is worth its start, 20 ms
PROCESSES = 8  # at most; with a disk in the network, they wait together


def versions(folder: str | os.PathLike, names: list[str]) -> list[tuple[int, int]]:
    """[(size, time of change in ns), …] of the files `names` below `folder`; the empty name is `folder` itself.

    Raises OSError, with the file's path, where one cannot be asked for.
    """
    found = _ask_in_parallel(folder, names) if len(names) >= 2 * MANY else None
    return _ask(folder, names) if found is None else found


def _ask_in_parallel(folder, names):
    """What _ask returns; None where it fails. By processes, because threads would wait for each other."""
    import subprocess
    from concurrent.futures import ThreadPoolExecutor

    from stages.parallel import cores

    count = min(cores(), PROCESSES, len(names) // MANY)
    size = -(-len(names) // count)
    parts = [names[start : start + size] for start in range(0, len(names), size)]

    def ask(part):
        given = b"".join(os.fsencode(name) + b"\0" for name in part)
        command = [sys.executable, "-I", "-S", __file__, os.fspath(folder)]
        return subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    try:
        with ThreadPoolExecutor(count) as pool:
            numbers = array("q", b"".join(pool.map(ask, parts)))
    except (OSError, ValueError):  # no process could be started, or one broke off
        return None
    return list(zip(numbers[::2], numbers[1::2])) if len(numbers) == 2 * len(names) else None


def _ask(folder, names):
    """What `versions` returns; asked relative to the folder, which saves a sixth of the time."""
    found = []
    descriptor = os.open(folder, getattr(os, "O_PATH", os.O_RDONLY))  # O_PATH needs no right to read it
    try:
        for name in names:
            stat = os.stat(name, dir_fd=descriptor) if name else os.stat(folder)
            found.append((stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        error.filename = f"{folder}/{name}" if name else str(folder)
        raise
    finally:
        os.close(descriptor)
    return found


if __name__ == "__main__":
    asked = [os.fsdecode(name) for name in sys.stdin.buffer.read().split(b"\0")[:-1]]
    answers = array("q", [number for version in _ask(sys.argv[1], asked) for number in version])
    sys.stdout.buffer.write(answers.tobytes())
