"""The authors' model on VOC val, by scripts/paper/eval_official.sh, with a small network in its published form."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch

from common.files.images import read_indexed
from seg.deeplab import build

ROOT = Path(__file__).resolve().parents[2]

if not (ROOT / ".venv" / "installed").exists():
    pytest.skip("the script needs the environment that scripts/test.sh makes", allow_module_level=True)


@pytest.fixture
def run_script(tiny_data, tmp_path):
    (tiny_data / "classes.txt").write_text("".join(f"class{i}\n" for i in range(20)))
    paths = {"DATA": tiny_data, "RUN": tmp_path / "run", "WEIGHTS": tmp_path / "official.pth"}
    environment = {**os.environ, **{name: str(path) for name, path in paths.items()}}

    def run(*arguments):
        command = [str(ROOT / "scripts" / "paper" / "eval_official.sh"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=3600)

    return run


def test_from_the_published_file_to_scores(run_script, tmp_path):
    torch.manual_seed(0)
    network = build(backbone="resnet101", classes=20, convention="caffe", blocks=[1, 1, 1, 1], width=4)
    torch.save({f"base.{name}": tensor for name, tensor in network.state_dict().items()}, tmp_path / "official.pth")
    result = run_script("--device", "cpu", "--workers", "0")
    assert result.returncode == 0, result.stderr
    assert "2 images with CRF" in result.stdout
    assert re.search(r"\| checkpoint_70.4.pth, COCO start, CRF \| 70.4 \| [\d.]+ \|$", result.stdout, re.MULTILINE)
    assert read_indexed(tmp_path / "run" / "official_val" / "d_complex.png").shape == (40, 56)
    assert (tmp_path / "run" / "official.md").exists()


def test_another_file_ends_it(run_script, tmp_path):
    (tmp_path / "official.pth").write_text("<html>moved</html>")
    result = run_script()
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "official.pth" in result.stderr
    assert not (tmp_path / "run").exists()
