"""What a shell script would run, without running it: each call of `python`, with its parsed arguments."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
METHOD = ("cls.train", "fbr.train", "cls.train_iam", "cls.infer", "fbr.refine", "pseudo.background", "pseudo.pom")
METHOD += ("irn.seed", "irn.train", "irn.walk", "irn.instances")
METHOD += ("pseudo.nsrm", "seg.train", "seg.predict", "evaluate.labels", "evaluate.instances")
OUTSIDE = ("DATA", "RUN", "SETTINGS", "TRAIN", "VAL", "EVAL_TRAIN", "SEED", "AMP", "TOY_ARGS", "ROUND", "SPLIT", "OUT")
OUTSIDE += ("GPUS", "LAUNCH", "LAUNCH_LABELS", "WEIGHTS", "TABLES", "JOBS", "CORES", "CUDA_VISIBLE_DEVICES")
SEPARATOR = "\x1f"
RECORDER = """#!/bin/sh
[ "$1" != -c ] || exec {python} "$@"
(IFS=$(printf '\\037'); echo "$*") >>"$CALLS"
case $2 in
cls.* | irn.* | pseudo.* | seg.predict) # leaves its folder in the run: scripts/summary.sh looks which are there
    for word; do
        [ "$last" != --out ] || out=$word
        last=$word
    done
    case $out in /*) mkdir -p "$out" ;; esac
    ;;
esac
"""


def path_of(name, root):
    """scripts/<name>.sh, or in a folder of scripts/."""
    found = [path for path in (root / "scripts").rglob(f"{name}.sh") if path.parent.name != "settings"]
    return root / f"{name}.sh" if name == "run_all" else found[0]


def calls_of(folder, name, *arguments, root=ROOT, **variables):
    """[(module, [argument, …]), …] that a script runs, in their order; `folder` is for the recorder.

    `root`: of a copy of run_all.sh and scripts.
    """
    python, calls = folder / "python", folder / "calls"
    python.write_text(RECORDER.format(python=sys.executable))
    python.chmod(0o755)
    calls.write_text("")
    environment = {key: value for key, value in os.environ.items() if key not in OUTSIDE}
    environment |= {"VENV": "", "PYTHON": str(python), "CALLS": str(calls)}
    environment |= {key: str(value) for key, value in variables.items()}
    command = ["bash", str(path_of(name, root)), *map(str, arguments)]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line.split(SEPARATOR) for line in calls.read_text().splitlines()]
    return [(line[1], line[2:]) for line in lines if line[0] == "-m"]


def parser_of(name):
    module = importlib.import_module(name)
    return (getattr(module, "parser", None) or module.arguments)()


def parsed(module, arguments):
    return vars(parser_of(module).parse_args(list(map(str, arguments))))


def defaults_of(module):
    """The arguments of a command that is told what it has to be told, and nothing else."""
    parser = parser_of(module)
    needed = [action.option_strings[0] for action in parser._actions if action.required]
    return parsed(module, [word for name in needed for word in (name, "x")])


class Stages:
    """The stages that a script runs: `told` is {folder in the run: (command, split, what is not as by default)}.

    Paths in the run are relative to it. `rows` is {table: [[name, the paper's number, folder], …]}.
    """

    def __init__(self, calls, run, data):
        self.told, self.rows, self.inputs_are_there, self.others = {}, {}, True, []
        for module, arguments in calls:
            if module in METHOD:
                self.add(module, parsed(module, arguments), run, data)
            elif module.endswith(".table"):
                rows = [arguments[i + 1 : i + 4] for i, word in enumerate(arguments) if word == "--row"]
                self.rows[arguments[arguments.index("--name") + 1]] = rows
            else:
                self.others.append((module, arguments))

    def add(self, module, arguments, run, data):
        defaults = defaults_of(module)
        place = {}
        for name, value in arguments.items():
            if isinstance(value, Path):
                place[name] = os.path.relpath(value, run) if value.is_relative_to(run) else str(value)
                if value.is_relative_to(run) and name != "out":
                    self.inputs_are_there &= any(Path(place[name]).is_relative_to(made) for made in self.told)
        assert arguments["data"] == data
        told = {name: place.get(name, value) for name, value in arguments.items() if value != defaults[name]}
        entry = module, told.pop("split"), told
        told.pop("data")
        out = told.pop("out")
        assert self.told.setdefault(out, entry) == entry, f"{out} is made in two ways"
