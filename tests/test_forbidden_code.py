"""What no code of the product may do: ruff's security rules see most of it (pyproject.toml), this file the rest.

That is loading weights as pickles, opening images of any format, and PyTorch's own downloads.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = sorted(path for package in ROOT.glob("*/__init__.py") for path in package.parent.rglob("*.py"))
FORBIDDEN = ("torch.hub.", "torch.jit.load", "joblib.load")
ONLY_WITH = {"torch.load": "weights_only=True", "PIL.Image.open": "formats=FORMATS"}  # of common.files.images
NEVER_WITH = ("allow_pickle=True", "weights_only=False")


def dangers(source):
    """The lines of Python source that do what no code here may, as a list of "<line>: <what>"."""
    tree, names, found = ast.parse(source), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            names |= {each.asname: each.name for each in node.names if each.asname}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, _, rest = ast.unparse(node.func).partition(".")
        name = f"{names.get(first, first)}.{rest}".strip(".")
        options = {ast.unparse(each) for each in node.keywords}
        if name.startswith(FORBIDDEN) or ONLY_WITH.get(name, "") not in options | {""} or options & {*NEVER_WITH}:
            found.append(f"{node.lineno}: {name}")
    return found


def test_the_code_does_nothing_dangerous():
    found = {path.relative_to(ROOT): dangers(path.read_text(encoding="utf-8")) for path in PRODUCT}
    assert not {name: lines for name, lines in found.items() if lines} and len(found) > 50


@pytest.mark.parametrize("source", [
    "import torch\ntorch.load(p)", "import torch as t\nt.load(p)", "from torch import load\nload(p)",
    "import torch\ntorch.load(p, weights_only=False)", "import numpy as np\nnp.load(p, allow_pickle=True)",
    "from PIL import Image\nImage.open(p)", "from torch import hub\nhub.download_url_to_file(u, p)",
])  # fmt: skip
def test_dangerous_code_is_found(source):
    assert dangers(source)
