"""Who imports whom, drawn from the syntax trees: from the top of the design down, never upwards, and in no circle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the top down; those of one layer know nothing of each other, but for ALLOWED. Scores lie below the method: a
# training that shows a validation score computes it as evaluate.labels does.
LAYERS = ["report", "weights", "cls fbr pseudo seg irn", "evaluate", "data", "common", "stages"]
ALLOWED = {("fbr", "cls")}
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names.split()}


def modules_in(root):
    """{dotted name: path} of the packages' modules; a package itself has the name of its folder."""
    paths = sorted(path for name in LEVELS for path in (root / name).rglob("*.py"))
    parts = {path: path.relative_to(root).with_suffix("").parts for path in paths}
    return {".".join(part for part in found if part != "__init__"): path for path, found in parts.items()}


def imports_of(path, names, top_alone=False):
    """The modules that a file imports, those within functions included; `names` are the modules of the packages.

    `from common import images` imports common.images where that is a module, else common. With `top_alone` what is
    within functions is left out: it is only imported when they are called.
    """
    found, waiting = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: expected no relative import"
            each = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in names else node.module for name in each}
        if not (top_alone and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            waiting += ast.iter_child_nodes(node)
    return found


def graph_of(root):
    """{module: the modules of the packages that it imports}."""
    modules = modules_in(root)
    return {name: imports_of(path, modules) & modules.keys() - {name} for name, path in modules.items()}


def package(module):
    return module.partition(".")[0]


def wrong_arrows(graph):
    """Imports from a folder into one that does not lie below it, as "importer -> imported"."""
    arrows = [(one, other) for one, others in graph.items() for other in others if package(one) != package(other)]
    return sorted(
        f"{one} -> {other}"
        for one, other in arrows
        if LEVELS[package(one)] >= LEVELS[package(other)] and (package(one), package(other)) not in ALLOWED
    )


def circle(graph):
    """The modules that import each other in a circle, or []: what is left once those without imports are taken away."""
    left = dict(graph)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    while unused := [name for name in left if not any(name in others for others in left.values())]:
        for name in unused:  # they import from the circle, but are no part of it
            del left[name]
    return sorted(left)


def test_no_import_runs_upwards():
    assert not wrong_arrows(graph_of(ROOT))


def test_no_modules_import_each_other():
    assert not circle(graph_of(ROOT))


def test_stages_import_neither_torch_at_the_top_nor_anything_above():
    for name, path in modules_in(ROOT).items():
        if package(name) == "stages":
            top = {package(each) for each in imports_of(path, (), top_alone=True)}
            assert not top & {"torch", "torchvision"}, name
            assert not {package(each) for each in imports_of(path, ())} & LEVELS.keys() - {"stages"}, name


def test_every_folder_with_code_has_its_place():
    folders = {path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")}
    assert folders - {"tests", "benchmarks"} <= LEVELS.keys() and len(graph_of(ROOT)) > 50


SOURCES = [  # {module: source}, the arrows against the order, the circle
    ({"common.a": "import seg.b", "seg.b": ""}, ["common.a -> seg.b"], []),
    ({"cls.a": "from seg import b", "seg.b": ""}, ["cls.a -> seg.b"], []),
    ({"fbr.a": "import cls.b, seg.c", "cls.b": "", "seg.c": ""}, ["fbr.a -> seg.c"], []),
    ({"data.a": "def f():\n    from weights.b import g", "weights.b": ""}, ["data.a -> weights.b"], []),
    ({"seg.a": "if True:\n    import common.b as c", "common.b": "import stages.c", "stages.c": ""}, [], []),
    ({"seg.a": "from seg.b import f", "seg.b": "def g():\n    from seg import a"}, [], ["seg.a", "seg.b"]),
    ({"cls.d": "import cls.a", "cls.a": "import cls.b", "cls.b": "import cls.c", "cls.c": "import cls.a"}, [],
     ["cls.a", "cls.b", "cls.c"]),
]  # fmt: skip


@pytest.mark.parametrize("sources, arrows, members", SOURCES)
def test_arrows_and_circles_are_found(tmp_path, sources, arrows, members):
    for name, source in sources.items():
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    graph = graph_of(tmp_path)
    assert wrong_arrows(graph) == arrows and circle(graph) == members
