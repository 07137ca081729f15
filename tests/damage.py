"""What a test of bad input may do to a file: functions of its path, and of what else a case says."""

import shutil
import struct
import zlib

import numpy as np
import torch
from PIL import Image

from common.files.images import write_indexed


def write(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def link(path, target="nowhere"):
    if path.exists():
        remove(path)
    path.symlink_to(target)


def folder(path):
    remove(path)
    path.mkdir()


def image(path, mode, size=(64, 48), format=None):
    Image.new(mode, size).save(path, format or {".jpg": "JPEG", ".png": "PNG"}[path.suffix])


def label(path, value, size=(48, 64)):
    write_indexed(path, np.full(size, value, np.uint8))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(path, side=60000, colour=0):
    """A PNG of a hundred bytes whose header announces side x side pixels, grey or, for 3, indexed."""
    header = struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, 0)
    parts = [
        chunk(b"IHDR", header),
        chunk(b"PLTE", bytes(6)) if colour == 3 else b"",
        chunk(b"IDAT", zlib.compress(b"")),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def weight_file(path, change):
    """Saves what `change(content)` makes of the content of a weight file."""
    torch.save(change(torch.load(path, weights_only=True)), path)
