"""What no code of the product may do: ruff's security rules see most of it (pyproject.toml), this file the rest.

That is loading weights as pickles, opening images of any format, and PyTorch's own downloads.
"""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = sorted(path for path in ROOT.glob("*/*.py") if path.parent.name not in ("tests", "benchmarks"))
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
    found = {f"{path.parent.name}/{path.name}": dangers(path.read_text(encoding="utf-8")) for path in PRODUCT}
    assert not {name: lines for name, lines in found.items() if lines} and len(found) > 50


@pytest.mark.parametrize("source", [
    "import torch\ntorch.load(p)", "import torch as t\nt.load(p)", "from torch import load\nload(p)",
    "import torch\ntorch.load(p, weights_only=False)", "import numpy as np\nnp.load(p, allow_pickle=True)",
    "from PIL import Image\nImage.open(p)", "from torch import hub\nhub.download_url_to_file(u, p)",
])  # fmt: skip
def test_dangerous_code_is_found(source):
    assert dangers(source)


SEEN_BY_RUFF = {
    "eval(text)": "S307", "exec(text)": "S102", "import os\nos.system(text)": "S605",
    "import pickle\npickle.load(f)": "S301", "import marshal\nmarshal.load(f)": "S302",
    "import subprocess\nsubprocess.run(text, shell=True)": "S602",
    "import yaml\nyaml.load(f)": "S506", "import tarfile\ntarfile.open(p).extractall()": "S202",
    "import urllib.request\nurllib.request.urlopen(u)": "S310", "import tempfile\ntempfile.mktemp()": "S306",
    "import ssl\nssl._create_unverified_context()": "S323", "import requests\nrequests.get(u, verify=False)": "S501",
}  # fmt: skip


@pytest.mark.parametrize(
    "folder", ["cls", "common", "data", "evaluate", "fbr", "irn", "pseudo", "report", "seg", "stages", "weights"]
)
def test_ruffs_security_rules_hold_in_every_folder(folder):
    source = "\n".join(SEEN_BY_RUFF)
    options = ["--stdin-filename", f"{folder}/new.py", "--output-format", "concise"]
    command = [sys.executable, "-m", "ruff", "check", *options, "-"]
    if not shutil.which("ruff", path=Path(sys.executable).parent):
        pytest.skip("ruff is not installed")
    result = subprocess.run(command, input=source, cwd=ROOT, capture_output=True, text=True)
    assert {code for code in SEEN_BY_RUFF.values() if f" {code} " not in result.stdout} == set(), result.stdout
