"""What the scripts are told from outside: settings, folders, the environment, GPUs. No stage is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "DATA",
    "RUN",
    "SETTINGS",
    "TRAIN",
    "EVAL_TRAIN",
    "VAL",
    "GPUS",
    "LAUNCH",
    "LAUNCH_LABELS",
    "CUDA_VISIBLE_DEVICES",
)


def bash(*command, root=ROOT, expected=0, **variables):
    """Runs it with no variable of ours but those given, and without an environment of its own unless VENV is given."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= {"VENV": "", "PYTHON": sys.executable} | {name: str(value) for name, value in variables.items()}
    result = subprocess.run(["bash", *map(str, command)], cwd=root, env=environment, capture_output=True, text=True)
    assert result.returncode == expected, result.stdout + result.stderr
    return result


def taken(**variables):
    """What method.sh takes: DATA, RUN, TRAIN, CLS and SEG, and what it says."""
    command = 'source scripts/method.sh; printf "%s\\n" "$DATA" "$RUN" "$TRAIN" "${CLS[*]}" "${SEG[*]}"'
    result = bash("-c", command, **variables)
    return [*result.stdout.splitlines(), result.stderr]


def test_settings_follow_the_data():
    *paths, cls, seg, said = taken()
    assert paths == ["data/toy", "runs/toy", "train"] and "weights/toy/weights.pth" in cls and said == ""
    *paths, cls, seg, said = taken(DATA="data/toy3", RUN="elsewhere")
    assert paths == ["data/toy3", "elsewhere", "train"] and "weights/toy/weights.pth" in seg and said == ""
    *paths, cls, seg, said = taken(DATA="data/voc12")
    assert paths == ["data/voc12", "runs/voc12", "train_aug"] and "--epochs" not in cls and "--iterations" not in seg


def test_own_data_are_told_what_is_taken():
    *paths, cls, seg, said = taken(DATA="data/mine")
    assert paths == ["data/mine", "runs/mine", "train"] and "weights/vgg16.pth" in cls
    assert said.count("\n") == 1
    assert all(word in said for word in ("data/mine", "scripts/settings/voc12.sh", "lists/train.txt", "runs/mine"))


def test_the_published_codes_settings():
    *paths, cls, seg, said = taken(DATA="data/voc12", SETTINGS="voc12_code")
    assert paths == ["data/voc12", "runs/voc12_code", "train_aug"] and "scripts/settings/voc12_code.sh" in said
    assert cls.endswith("--epochs 15") and "weights/vgg16.pth" in cls
    assert seg.endswith("--iterations 20000 --weight-decay 5e-4") and "weights/coco_resnet101.pth" in seg


def test_the_imagenet_start():
    *paths, cls, seg, said = taken(DATA="data/voc12", SETTINGS="imagenet")
    assert paths == ["data/voc12", "runs/voc12_imagenet", "train_aug"] and "scripts/settings/imagenet.sh" in said
    ours = taken(DATA="data/voc12")
    assert cls == ours[3] and "resnet101 --init weights/resnet101.pth" in seg and "coco" in ours[4]
    assert "coco" not in seg and "convention" not in seg
    *paths, _, seg, _ = taken(DATA="data/mine", SETTINGS="imagenet")
    assert paths[1:] == ["runs/mine_imagenet", "train"] and "coco" not in seg


def test_coco_starts_from_weights_that_have_not_seen_its_masks():
    *paths, cls, seg, said = taken(DATA="data/coco14")
    assert paths == ["data/coco14", "runs/coco14", "train"] and "scripts/settings/coco14.sh" in said
    assert cls == taken(DATA="data/voc12")[3]
    assert "--init weights/resnet101.pth" in seg and "coco" not in seg and "convention" not in seg
    show = 'source scripts/method.sh; echo "$TRAIN $VAL $EVAL_TRAIN ${SEG_IMAGE_LEVEL[*]}"'
    assert bash("-c", show, DATA="data/coco14").stdout == f"train val train {seg}\n"
    assert bash("-c", show, DATA="data/coco14", TRAIN="small").stdout == f"small val small {seg}\n"
    show = 'source scripts/method.sh; echo "${STARTS[*]} ${IRN_SEED[*]} ${IRN_WALK[*]} ${PREDICT[*]}"'
    told = "vgg16 resnet101 --strict 0.45 --loose 0.15 --background 0.22 --crf-min-probability 0.05\n"
    assert bash("-c", show, DATA="data/coco14").stdout == told
    said = bash("run_all.sh", "coco14", RUN="unused", expected=2).stderr.splitlines()
    assert "expected a data set; make it with data.prepare_coco14" in said[-1]


PREPARED = """#!/bin/bash
[ "$2" != weights.fetch ] || { shift 2; echo fetch "$@"; exit "$FAILS"; }
"""


@pytest.fixture
def prepared(tmp_path):
    """Runs `prepare` of VOC's settings with words, on a data set with saliency: what it fetches, what it says."""
    (tmp_path / "python").write_text(PREPARED)
    (tmp_path / "python").chmod(0o755)
    data = tmp_path / "voc12"
    for name in ("lists", "saliency"):
        (data / name).mkdir(parents=True)
    (data / "classes.txt").touch()
    (data / "lists/train_aug.txt").write_text("a 0\n\nb 1 2\n")
    for id in "ab":
        (data / f"saliency/{id}.png").touch()
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "run_all.sh", tmp_path)
    (tmp_path / "weights").mkdir()

    def run(*words, expected=0, fails=0, **variables):
        places = {"DATA": data, "TRAIN": "train_aug", "PYTHON": tmp_path / "python", "FAILS": fails}
        command = 'source scripts/method.sh 2>/dev/null; prepare "$@"; echo then the hours'
        result = bash("-c", command, "prepare", *words, root=tmp_path, expected=expected, **places | variables)
        return result.stdout.splitlines(), result.stderr

    run.data, run.weights = data, tmp_path / "weights"
    return run


def test_weights_are_fetched_together_before_anything_runs(prepared):
    assert prepared() == (["fetch vgg16 coco_resnet101", "then the hours"], "")
    assert prepared(SETTINGS="imagenet") == (["fetch vgg16 resnet101", "then the hours"], "")
    assert prepared("vgg16", "resnet50")[0][0] == "fetch vgg16 resnet50"
    assert prepared(expected=2, fails=2)[0] == ["fetch vgg16 coco_resnet101"]
    (prepared.weights / "vgg16.pth").touch()
    assert prepared()[0] == ["fetch coco_resnet101", "then the hours"]
    (prepared.weights / "coco_resnet101.pth").touch()
    assert prepared() == (["then the hours"], "")  # nothing is asked where everything is there


@pytest.mark.parametrize("lost", ["folder", "map"])
def test_missing_saliency_is_said_before_anything_runs(prepared, lost):
    path = prepared.data / "saliency"
    shutil.rmtree(path) if lost == "folder" else (path / "b.png").unlink()
    fetched, said = prepared(expected=2)
    assert (
        fetched == [] and said.count("\n") == 1 and f"saliency/{'a' if lost == 'folder' else 'b'}.png: no such" in said
    )
    assert f"DATA={prepared.data} scripts/paper/fbr_image_level.sh" in said and "docs/saliency.md" in said
    assert prepared("--no-saliency", "vgg16") == (["fetch vgg16", "then the hours"], "")
    (prepared.data / "lists/train_aug.txt").unlink()  # the first stage names it
    assert prepared()[0][-1] == "then the hours"


@pytest.mark.parametrize("name", ["voc12", "mine"])
def test_run_all_goes_without_saliency_on_coco_alone(prepared, name):
    """Without a saliency folder VOC and data of one's own end in the message; COCO goes on to the weights."""
    shutil.rmtree(prepared.data / "saliency")
    shutil.copy(prepared.data / "lists/train_aug.txt", prepared.data / "lists/train.txt")
    data = prepared.data.rename(prepared.data.with_name(name))
    variables = {"DATA": data, "RUN": "r", "PYTHON": prepared.data.parent / "python", "FAILS": 3, "TRAIN": "train"}
    result = bash("run_all.sh", root=prepared.data.parent, expected=2, **variables)
    assert result.stdout == "" and f"DATA={data} scripts/paper/fbr_image_level.sh" in result.stderr
    variables["DATA"] = data.rename(data.with_name("coco14"))
    result = bash("run_all.sh", root=prepared.data.parent, expected=3, **variables)
    assert result.stdout == "fetch vgg16 resnet101 resnet50\n" and "no such folder; goes without" in result.stderr


def test_scripts_without_saliency_and_tables_say_what_they_start_from():
    """Table 1 needs no COCO weights; the image-level scripts no saliency maps."""
    said = {path.stem: path.read_text() for path in (ROOT / "scripts/paper").glob("*.sh")}
    assert "\nprepare vgg16\n" in said["table1"] and "\nprepare vgg16 resnet101 coco_resnet101\n" in said["table2"]
    assert "\nprepare --no-saliency vgg16 resnet50\n" in said["instances"]
    assert "\nimage_level_method\n" in said["fbr_image_level"] and "whole_method" not in said["fbr_image_level"]
    method = (ROOT / "scripts/method.sh").read_text()
    assert "image_level_method() {" in method and "\n    prepare --no-saliency vgg16 resnet101 resnet50\n" in method


def test_run_all_takes_data_and_settings_as_words(tmp_path):
    settings = tmp_path / "short.sh"
    settings.write_text('prepare() { echo "$DATA $RUN $TRAIN"; exit; }\n')
    assert bash("run_all.sh", "voc12", settings).stdout == "data/voc12 runs/voc12_short train_aug\n"
    assert bash("run_all.sh", SETTINGS=settings, DATA="data/x", RUN="y").stdout == "data/x y train\n"
    said = bash("run_all.sh", "no_such_data", "voc12_code", expected=2).stderr.splitlines()
    assert "voc12_code.sh" in said[0] and "runs/no_such_data_voc12_code" in said[0]
    assert said[1].startswith("data/no_such_data: expected a data set") and len(said) == 2


@pytest.mark.parametrize("command", [("run_all.sh", "voc12", "vocc"), ("scripts/summary.sh",)])
def test_unknown_settings(command):
    result = bash(*command, SETTINGS="vocc", expected=2)
    assert (
        result.stderr == "SETTINGS=vocc: expected a path with a slash or one of coco14 imagenet toy voc12 voc12_code\n"
    )


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
    both = ["requirements.txt", "requirements-crf.txt"]
    installed, said = asked(clone, fails="requirements-crf.txt")
    assert installed == both and said.startswith("pydensecrf2 could not be installed") and said.count("\n") == 1
    assert asked(clone, fails="requirements-crf.txt") == ([], "")  # once
    assert "much output" in (clone / "own" / "crf.log").read_text() and not (clone / ".venv").exists()


def test_environment_is_kept(clone):
    """One that an earlier version made, with the former requirements, gets what is new."""
    assert asked(clone, fails="nothing") == (["requirements.txt", "requirements-crf.txt"], "")
    (clone / "own" / "installed-crf").unlink()
    os.utime(clone / "own" / "installed", (0, 0))
    assert asked(clone, fails="nothing") == (["requirements.txt", "requirements-crf.txt"], "")
    assert asked(clone, fails="nothing") == ([], "")


def test_environment_needs_the_requirements(clone):
    for _ in range(2):
        assert asked(clone, fails="requirements.txt", expected=1)[0] == ["requirements.txt"]


def test_no_compiler_in_the_requirements():
    assert "pydensecrf" not in (ROOT / "requirements.txt").read_text()
    assert (ROOT / "requirements-crf.txt").read_text().startswith("pydensecrf2")


def test_without_an_environment(clone):
    """VENV= makes and installs nothing; `python` is PYTHON, where only python3 exists too."""
    assert asked(clone, fails="", VENV="") == ([], "")
    assert not (clone / "own").exists() and not (clone / ".venv").exists()
    (clone / "fake").rename(clone / "python3")
    search = f"{clone}:/usr/bin:/bin"
    bash("-c", "source scripts/env.sh; $LAUNCH some.stage", root=clone, PYTHON="", PATH=search, FAILS="nothing")
    assert (clone / "asked.txt").read_text() == "some.stage\n"
    told = bash(
        "-c", "source scripts/env.sh; bash -c \"source scripts/env.sh; python -c 'import sys; print(sys.executable)'\""
    )
    assert told.stdout.strip() == sys.executable
    assert "expected a program" in bash("-c", "source scripts/env.sh", PYTHON="no_such_python", expected=2).stderr


def test_processes_of_several_gpus():
    told = bash("-c", 'source scripts/env.sh; echo "$LAUNCH; $CUDA_VISIBLE_DEVICES"', GPUS="0,3").stdout
    assert told == "python -m torch.distributed.run --standalone --nproc-per-node 2 -m; 0,3\n"
    told = bash("-c", 'source scripts/env.sh; echo "$LAUNCH; $CUDA_VISIBLE_DEVICES"', GPUS="3").stdout
    assert told == "python -m; 3\n"


def test_jobs_share_the_gpus_they_are_given(tmp_path):
    script = tmp_path / "show.sh"
    script.write_text('#!/bin/bash\nsource scripts/env.sh\necho "gpu $CUDA_VISIBLE_DEVICES, $LAUNCH, $DATA"\n')
    script.chmod(0o755)
    jobs = f"for SLOT in 0 1 2; do (job {tmp_path} $SLOT {script}); done"
    start = f"source scripts/env.sh; source scripts/study/jobs.sh; {jobs}"

    def logs(**variables):
        bash("-c", start, **variables)
        return [(tmp_path / f"seed{slot}" / "show.log").read_text() for slot in range(3)]

    assert logs() == [f"gpu , python -m, {tmp_path}/toy{slot}\n" for slot in range(3)]
    assert [line[:18] for line in logs(GPUS="4,7")] == [f"gpu {gpu}, python -m, " for gpu in (4, 7, 4)]
    assert [line[:6] for line in logs(GPUS="2")] == ["gpu 2,"] * 3


@pytest.mark.parametrize(
    "path", [*ROOT.glob("scripts/*.*"), *ROOT.glob("scripts/*/*"), ROOT / "run_all.sh"], ids=lambda path: path.name
)
def test_syntax(path):
    bash("-n", path)


def test_slurm_example(tmp_path):
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho first; echo second\n")
    (tmp_path / "run_all.sh").write_text(
        '#!/bin/sh\necho "$SRUN_CPUS_PER_TASK $*"; echo "$LAUNCH"; echo "$LAUNCH_LABELS"\n'
    )
    for name in ("scontrol", "run_all.sh"):
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "a,b", "SLURM_NNODES": 2, "SLURM_JOB_ID": 17, "SLURM_CPUS_PER_TASK": 32}
    search = f"{tmp_path}:{os.environ['PATH']}"
    lines = bash(ROOT / "scripts" / "slurm.sbatch", root=tmp_path, PATH=search, **job).stdout.splitlines()
    assert lines[0] == "32 voc12"
    started = "srun --kill-on-bad-exit=1 python -m torch.distributed.run --nnodes 2 "
    assert lines[1].startswith(started) and lines[2].startswith(started) and "first:29500" in lines[1]
    assert lines[1].endswith("--nproc-per-node 4 -m") and lines[2].endswith("--nproc-per-node 1 -m")


def test_the_page_lists_every_variable():
    """Those that a script takes from outside: it has a default for them."""
    page = (ROOT / "docs" / "scripts.md").read_text()
    scripts = [path for path in (*ROOT.glob("scripts/**/*.s*"), ROOT / "run_all.sh") if path.is_file()]
    read = {name for path in scripts for name in re.findall(r"\$\{([A-Z_]+):?-", path.read_text())}
    assert len(read) > 20 and read <= set(re.findall(r"`([A-Z_]+)`", page))


def test_a_data_set_is_its_settings_file(clone):
    """Settings for another data set are one more file, which names its lists."""
    own = clone / "scripts" / "settings" / "coco.sh"
    own.write_text("TRAIN=${TRAIN:-train2014} VAL=${VAL:-val2014} CLS=() SEG=()\n")
    show = 'source scripts/method.sh; echo "$settings $TRAIN $VAL $EVAL_TRAIN"'

    def told(**variables):
        return bash("-c", show, root=clone, DATA="data/coco", **variables).stdout

    assert told() == "scripts/settings/coco.sh train2014 val2014 train2014\n"
    assert told(SETTINGS="voc12") == "scripts/settings/voc12.sh train2014 val2014 train2014\n"
    assert told(TRAIN="mine") == "scripts/settings/coco.sh mine val2014 mine\n"
