"""What the scripts take from outside: settings, folders, the environment, GPUs. No stage is run."""

import os
import re
import shutil
import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.wiring.scripts import OUTSIDE, calls_of

ROOT = Path(__file__).resolve().parents[2]


def bash(*command, root=ROOT, expected=0, **variables):
    """Runs it with no variable of ours but those given, and without an environment of its own unless VENV is given."""
    environment = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    environment |= {"VENV": "", "PYTHON": sys.executable} | {name: str(value) for name, value in variables.items()}
    result = run(["bash", *map(str, command)], cwd=root, env=environment, capture_output=True, text=True)
    assert result.returncode == expected, result.stdout + result.stderr
    return result


def shown(what, root=ROOT, **variables):
    """What a script that sources method.sh sees of variables."""
    return bash("-c", f'source scripts/method.sh 2>/dev/null; echo "{what}"', root=root, **variables).stdout.strip()


@pytest.mark.parametrize(
    "variables, places, seg",
    [
        ("", "data/toy runs/toy train", "weights/toy/weights.pth"),
        ("DATA=data/toy3 RUN=elsewhere", "data/toy3 elsewhere train", "weights/toy/weights.pth"),
        ("DATA=data/voc12", "data/voc12 runs/voc12 train_aug", "weights/coco_resnet101.pth --convention caffe"),
        ("DATA=data/voc12 SETTINGS=imagenet", "data/voc12 runs/voc12_imagenet train_aug", "weights/resnet101.pth"),
        ("DATA=data/mine", "data/mine runs/mine train", "weights/coco_resnet101.pth"),
        ("DATA=data/mine SETTINGS=voc12_code", "data/mine runs/mine_voc12_code train", "coco_resnet101.pth"),
        ("DATA=data/coco14", "data/coco14 runs/coco14 train", "weights/resnet101.pth"),  # not COCO's masks
        ("DATA=data/coco14 TRAIN=small", "data/coco14 runs/coco14 small", "weights/resnet101.pth"),
    ],
)
def test_settings_follow_the_data(variables, places, seg):
    variables = dict(each.split("=") for each in variables.split())
    assert shown("$DATA $RUN $TRAIN", **variables) == places
    found = shown("${SEG[*]}", **variables)
    assert seg in found and ("coco" in found) == ("coco" in seg)


def test_a_data_set_is_its_settings_file(tmp_path):
    """Settings for another data set are one more file, which names its lists."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    own = tmp_path / "scripts/settings/coco.sh"
    own.write_text("TRAIN=${TRAIN:-train2014} VAL=${VAL:-val2014} CLS=() SEG=()\n")
    what, common = "$settings $TRAIN $VAL $EVAL_TRAIN", {"root": tmp_path, "DATA": "data/coco"}
    assert shown(what, **common) == "scripts/settings/coco.sh train2014 val2014 train2014"
    assert shown(what, **common, SETTINGS="voc12") == "scripts/settings/voc12.sh train2014 val2014 train2014"
    assert shown(what, **common, TRAIN="mine") == "scripts/settings/coco.sh mine val2014 mine"
    own.write_text("source scripts/settings/voc12.sh\nCLS+=(--lr 1e-4)\n")  # VOC's, but for one: not VOC's lists
    assert shown(what + " ${CLS[*]}", **common).endswith(" train val train --init weights/vgg16.pth --seed 0 --lr 1e-4")


def test_run_all_takes_data_and_settings_as_words(tmp_path):
    settings = tmp_path / "short.sh"
    settings.write_text('prepare() { echo "$DATA $RUN $TRAIN"; exit; }\n')
    assert bash("run_all.sh", "voc12", settings).stdout == "data/voc12 runs/voc12_short train_aug\n"
    told = bash("run_all.sh", "no_such_data", "voc12_code", expected=2).stderr.splitlines()
    assert told[-1].startswith("data/no_such_data: expected a data set")
    told = bash("scripts/summary.sh", SETTINGS="vocc", expected=2).stderr
    assert told.startswith("SETTINGS=vocc: expected a path with a slash or one of coco14 imagenet")


FAKE = """#!/bin/bash
[ "$2" != weights.fetch ] || { shift 2; echo fetch "$@"; exit "$FAILS"; }
"""


@pytest.fixture
def prepared(tmp_path):
    """Runs `prepare` of VOC's settings with words, on a data set with saliency: what it fetches, what it says."""
    (tmp_path / "python").write_text(FAKE)
    (tmp_path / "python").chmod(0o755)
    data = tmp_path / "voc12"
    for name in ("lists", "saliency"):
        (data / name).mkdir(parents=True)
    (data / "classes.txt").touch()
    for name in ("train", "train_aug"):
        (data / f"lists/{name}.txt").write_text("a 0\n\nb 1 2\n")
    for id in "ab":
        (data / f"saliency/{id}.png").touch()
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "run_all.sh", tmp_path)
    (tmp_path / "weights").mkdir()

    def prepare(*words, expected=0, fails=0, **variables):
        places = {"DATA": data, "PYTHON": tmp_path / "python", "FAILS": fails}
        command = 'source scripts/method.sh 2>/dev/null; prepare "$@"; echo then the hours'
        result = bash("-c", command, "prepare", *words, root=tmp_path, expected=expected, **places | variables)
        return result.stdout.splitlines(), result.stderr

    prepare.data, prepare.weights = data, tmp_path / "weights"
    return prepare


def test_weights_are_fetched_together_before_anything_runs(prepared):
    assert prepared() == (["fetch vgg16 coco_resnet101", "then the hours"], "")
    assert prepared(SETTINGS="imagenet") == (["fetch vgg16 resnet101", "then the hours"], "")
    assert prepared("vgg16", "resnet50")[0][0] == "fetch vgg16 resnet50"
    assert prepared(expected=2, fails=2)[0] == ["fetch vgg16 coco_resnet101"]
    (prepared.weights / "vgg16.pth").touch()
    assert prepared()[0] == ["fetch coco_resnet101", "then the hours"]
    (prepared.weights / "coco_resnet101.pth").touch()
    assert prepared() == (["then the hours"], "")  # nothing is asked where everything is there


def test_missing_saliency_is_told_before_anything_runs(prepared):
    (prepared.data / "saliency/b.png").unlink()
    fetched, told = prepared(expected=2)
    assert fetched == [] and told.count("\n") == 1 and "saliency/b.png: no such file" in told
    assert f"DATA={prepared.data} scripts/paper/fbr_image_level.sh" in told
    assert prepared("--no-saliency", "vgg16") == (["fetch vgg16", "then the hours"], "")


@pytest.mark.parametrize("lost, name", [("folder", "a_simple"), ("image", "c_complex")])
def test_instances_without_objects_are_refused_at_once(tiny_data, tmp_path, lost, name):
    (tiny_data / "InstanceMasks").mkdir()
    for id in ("a_simple", "b_simple", "d_complex") if lost == "image" else ():
        (tiny_data / f"InstanceMasks/{id}.png").touch()
    variables = {"DATA": tiny_data, "RUN": tmp_path / "run", "PYTHON": "false"}  # nothing may run
    told = bash("scripts/paper/instances.sh", expected=2, **variables).stderr
    assert f"InstanceMasks/{name}.png: no such file (docs/data.md)" in told and not (tmp_path / "run").exists()


def scored(folder, data, run):
    """The folders that scripts/summary.sh scores, in its order, with their splits, and whether it makes a summary."""
    calls = calls_of(folder, "summary", DATA=data, RUN=run)
    words = [words for module, words in calls if module == "evaluate.labels"]
    found = [(Path(each[each.index("--pred") + 1]).name, each[each.index("--split") + 1]) for each in words]
    return found, any(module == "report.tables.summary" for module, _ in calls)


def test_summary_scores_the_folders_that_are_there(tmp_path):
    folders = ["cam", "cam_pyramid", "label_seed", "label_irn", "pred1", "label_masked"]
    folders += ["label_my rule", "label_pseudonym", "pred2_val"]
    for name in (*folders, "cls", "seg1", "label_masked_all"):
        (tmp_path / "run" / name).mkdir(parents=True)
    expected = [(name, "val" if name.endswith("_val") else "train") for name in folders]
    assert scored(tmp_path, tmp_path / "toy", tmp_path / "run") == (expected, True)


def test_what_has_no_ground_truth_is_not_scored(tmp_path):
    data, folder = tmp_path / "mine", tmp_path / "run"
    for place in (data / "lists", folder / "cam", folder / "pred2_val"):
        place.mkdir(parents=True)
    for name, lines in (("classes", "dog"), ("lists/train", "a 0\nb 0\n"), ("lists/val", "c 0\nd 0")):
        (data / f"{name}.txt").write_text(lines)
    assert scored(tmp_path, data, folder) == ([], False)
    (data / "SegmentationClass").mkdir()
    (data / "SegmentationClass/d.png").touch()
    assert scored(tmp_path, data, folder) == ([("pred2_val", "val")], True)
    (data / "SegmentationClass/a.png").touch()  # and b has none: evaluate.labels says so
    assert scored(tmp_path, data, folder) == ([("cam", "train"), ("pred2_val", "val")], True)


@pytest.fixture
def clone(tmp_path):
    """The scripts alone, with a PYTHON that writes down what pip is asked for, and that has no compiler."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("requirements.txt", "requirements-crf.txt"):
        shutil.copy(ROOT / name, tmp_path)
    fake = tmp_path / "fake"
    fake.write_text(
        "#!/bin/bash\n"
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit; fi\n'
        'echo "${@: -1}" >>asked.txt; echo "much output"; ! [[ "$*" == *$FAILS* ]]\n'
    )
    fake.chmod(0o755)
    return tmp_path


def asked(clone, fails, expected=0, **more):
    """What pip is asked to install by a script, and what is said."""
    (clone / "asked.txt").write_text("")
    variables = {"VENV": "own", "PYTHON": "./fake", "FAILS": fails} | more
    result = bash("-c", "source scripts/env.sh >/dev/null", root=clone, expected=expected, **variables)
    return (clone / "asked.txt").read_text().split(), result.stderr


def test_environment_goes_on_without_pydensecrf2(clone):
    """It is tried once; new requirements are installed."""
    both = ["requirements.txt", "requirements-crf.txt"]
    installed, told = asked(clone, fails="requirements-crf.txt")
    assert installed == both and told.startswith("pydensecrf2 could not be installed") and told.count("\n") == 1
    assert asked(clone, fails="requirements-crf.txt") == ([], "")
    assert "much output" in (clone / "own/crf.log").read_text() and not (clone / ".venv").exists()
    os.utime(clone / "own/installed", (0, 0))
    assert asked(clone, fails="nothing")[0] == ["requirements.txt"]


def test_without_an_environment(clone):
    """VENV= makes and installs nothing; `python` is PYTHON, where only python3 exists too."""
    assert asked(clone, fails="", VENV="") == ([], "")
    assert not (clone / "own").exists() and not (clone / ".venv").exists()
    (clone / "fake").rename(clone / "python3")
    search = f"{clone}:/usr/bin:/bin"
    bash("-c", "source scripts/env.sh; $LAUNCH some.stage", root=clone, PYTHON="", PATH=search, FAILS="nothing")
    assert (clone / "asked.txt").read_text() == "some.stage\n"
    assert "expected a program" in bash("-c", "source scripts/env.sh", PYTHON="no_such_python", expected=2).stderr


@pytest.mark.parametrize("gpus", ["0,3", "3"])
def test_processes_of_several_gpus(gpus):
    torchrun = "python -m torch.distributed.run --standalone --nproc-per-node 2 -m"
    assert shown("$LAUNCH; $CUDA_VISIBLE_DEVICES", GPUS=gpus) == f"{torchrun if ',' in gpus else 'python -m'}; {gpus}"


def test_jobs_share_the_gpus_they_are_given(tmp_path):
    script = tmp_path / "show.sh"
    cores = "$(python -c 'import os; print(len(os.sched_getaffinity(0)))')"
    told = f"gpu $CUDA_VISIBLE_DEVICES, $LAUNCH, {cores} cores of $JOBS, $DATA"
    script.write_text(f'#!/bin/bash\nsource scripts/env.sh\necho "{told}"\n')
    script.chmod(0o755)
    jobs = f"for SLOT in 0 1 2; do (job {tmp_path} $SLOT {script}); done"

    def logs(**variables):
        bash("-c", f"source scripts/env.sh; source scripts/study/jobs.sh; export JOBS; {jobs}", **variables)
        return [(tmp_path / f"seed{slot}/show.log").read_text() for slot in range(3)]

    count = len(os.sched_getaffinity(0))
    expected = [f"gpu , python -m, 1 cores of {count}, {tmp_path}/toy{slot}\n" for slot in range(3)]
    assert logs() == expected
    beginnings = [f"gpu {gpu}, python -m, {count} cores of 2, " for gpu in (4, 7, 4)]
    assert all(line.startswith(own) for line, own in zip(logs(GPUS="4,7"), beginnings, strict=True))
    assert "cores of 5," in logs(GPUS="4,7", JOBS=5)[0]


def test_slurm_example(tmp_path):
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho first; echo second\n")
    told = '#!/bin/sh\necho "$SRUN_CPUS_PER_TASK $*"; echo "$LAUNCH"; echo "$LAUNCH_LABELS"\n'
    (tmp_path / "run_all.sh").write_text(told)
    for name in ("scontrol", "run_all.sh"):
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "a,b", "SLURM_NNODES": 2, "SLURM_JOB_ID": 17, "SLURM_CPUS_PER_TASK": 32}
    search = f"{tmp_path}:{os.environ['PATH']}"
    lines = bash(ROOT / "scripts/slurm.sbatch", root=tmp_path, PATH=search, **job).stdout.splitlines()
    assert lines[0] == "32 voc12"
    started = "srun --kill-on-bad-exit=1 python -m torch.distributed.run --nnodes 2 "
    assert all(line.startswith(started) and "first:20017" in line for line in lines[1:])
    assert lines[1].endswith("--nproc-per-node 4 -m") and lines[2].endswith("--nproc-per-node 1 -m")


def test_every_script_is_bash_and_the_page_lists_its_variables():
    """Those that a script takes from outside: it has a default for them."""
    page = (ROOT / "docs/scripts.md").read_text()
    scripts = [path for path in (*ROOT.glob("scripts/**/*.s*"), ROOT / "run_all.sh") if path.is_file()]
    for path in scripts:
        bash("-n", path)
    read = {name for path in scripts for name in re.findall(r"\$\{([A-Z_]+):?-", path.read_text())}
    assert len(read) > 20 and read <= set(re.findall(r"`([A-Z_]+)`", page))
