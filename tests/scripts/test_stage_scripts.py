"""Each stage's script: started alone, its numbers are the command's defaults."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = {  # script: command
    "cls_train": "cls.train",
    "cls_train_fbr": "cls.train_fbr",
    "cls_train_iam": "cls.train_iam",
    "cls_infer": "cls.infer",
    "cls_refine": "cls.refine",
    "pseudo_background": "pseudo.background",
    "pseudo_pom": "pseudo.pom",
    "pseudo_nsrm": "pseudo.nsrm",
    "seg_train": "seg.train",
    "seg_predict": "seg.predict",
}


def arguments_of(script):
    """The arguments that the script gives to its command, the last call's."""
    shown = ["bash", f"scripts/{script}.sh"]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"VENV": "", "PYTHON": sys.executable, "LAUNCH": "echo", "LAUNCH_LABELS": "echo"}
    result = subprocess.run(shown, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    command, *arguments = result.stdout.splitlines()[-1].split()
    assert command == STAGES[script]
    return arguments


@pytest.mark.parametrize("script", STAGES)
def test_numbers_are_the_defaults(script):
    parser = importlib.import_module(STAGES[script]).parser()
    found = vars(parser.parse_args(arguments_of(script)))
    required = {action.dest for action in parser._actions if action.required}
    crf = {"crf": True} if script == "seg_predict" else {}  # the paper's, but slow
    assert {name: value for name, value in found.items() if name not in required} == {
        name: parser.get_default(name) for name in found if name not in required
    } | crf
