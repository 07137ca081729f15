"""What no code of the product may do: run text or pickles, shells, archives' own extraction, unchecked downloads."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = sorted(path for path in ROOT.glob("*/*.py") if path.parent.name != "tests")
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pty.spawn", "tempfile.mktemp"}
FORBIDDEN |= {"pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"}
FORBIDDEN |= {"yaml.load", "joblib.load", "torch.hub.load", "torch.jit.load", "ssl._create_unverified_context"}
FORBIDDEN |= {"urllib.request.urlopen", "urllib.request.urlretrieve", "torch.hub.download_url_to_file"}
ONLY_WITH = {"torch.load": ("weights_only", True), "PIL.Image.open": ("formats", None)}  # None: whatever value
NEVER_WITH = {"shell": True, "allow_pickle": True, "weights_only": False, "verify": False}
METHODS = {"extractall"}  # of archives


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
        options = {each.arg: getattr(each.value, "value", None) for each in node.keywords}
        option, value = ONLY_WITH.get(name, (None, None))
        if name in FORBIDDEN or name.rpartition(".")[2] in METHODS:
            found.append(f"{node.lineno}: {name}")
        elif option and (option not in options or value is not None and options[option] is not value):
            found.append(f"{node.lineno}: {name} without {option}")
        found += [f"{node.lineno}: {name} with {key}" for key, bad in NEVER_WITH.items() if options.get(key) is bad]
    return found


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_code_does_nothing_dangerous(path):
    assert not dangers(path.read_text(encoding="utf-8"))


def test_all_of_the_code_is_looked_at():
    folders = {path.parent.name for path in PRODUCT}
    assert folders >= {"cls", "common", "data", "pseudo", "seg", "weights"} and len(PRODUCT) > 50


@pytest.mark.parametrize("source", [
    "eval('1')", "import os\nos.system('ls')", "from os import system as s\ns('ls')", "import pickle\npickle.load(f)",
    "from pickle import loads\nloads(b)", "import subprocess\nsubprocess.run('ls', shell=True)",
    "import numpy as np\nnp.load(p, allow_pickle=True)", "import torch\ntorch.load(p)", "import torch as t\nt.load(p)",
    "import torch\ntorch.load(p, weights_only=False)", "from torch import load\nload(p)", "import yaml\nyaml.load(f)",
    "from PIL import Image\nImage.open(p)", "import tarfile\ntarfile.open(p).extractall()",
    "import urllib.request\nurllib.request.urlopen(u)", "from torch import hub\nhub.download_url_to_file(u, p)",
])  # fmt: skip
def test_dangerous_code_is_found(source):
    assert dangers(source)


def test_harmless_code_is_passed_over():
    source = "import pickle, torch\nnetwork.eval()\ntorch.load(p, weights_only=True)\ntry: f()\nexcept pickle.UnpicklingError: g()"
    assert not dangers(source)
