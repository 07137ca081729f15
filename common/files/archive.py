"""Archives that depend on the names and contents of their files alone: no times, no owners."""

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path

from stages.progress import progress_bar


def write_tar_gz(path: Path, files: Mapping[str, Path]) -> None:
    """Pack {name in the archive: file}, in this order."""
    with (
        open(path, "wb") as target,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=target, mtime=0) as compressed,
        tarfile.open(mode="w", fileobj=compressed, format=tarfile.GNU_FORMAT) as archive,
        progress_bar("pack", len(files)) as bar,
    ):
        for name, file in files.items():
            entry = tarfile.TarInfo(name)  # time 0, owner 0, mode 644
            entry.size = file.stat().st_size
            with open(file, "rb") as content:
                archive.addfile(entry, content)
            bar.update()
