#!/usr/bin/env bash
# Whether everything works on a GPU, and how fast: scripts/gpu_check.sh [measure|tests] [SECONDS]
#   measure  (default; 500 seconds) benchmarks/gpu_check.py: what waits for the GPU, steps, memory, profiles, CRF, prediction,
#            reading, and after each of them the time of the paper's run
#   tests    (225 seconds) the tests that need a GPU; two processes on one GPU; trainings with --deterministic
# Each ends within its seconds, start included, and reports what it has left out. It writes OUT/<part>.jsonl, line by line,
# and OUT/<part>.log, nothing else. It needs PyTorch, torchvision, OpenCV, SciPy, tqdm, TensorBoard, Matplotlib and pytest,
# no network, and makes no environment: PYTHON (default python3) is used as it is; VENV=.venv uses that one. OUT: default
# runs/gpu_check. THIN=1: everything is tiny, for a try on a CPU.
export VENV=${VENV-} OUT=${OUT:-runs/gpu_check} PYTHONUNBUFFERED=1
source "$(dirname "$0")/env.sh"

measure() {
    python benchmarks/gpu_check.py --seconds "${1:-500}" --out "$OUT/measure.jsonl"
}

tests() {
    local seconds=${1:-225} files said status=0
    files=$(grep -rl --include "test_*.py" "cuda.is_available" tests) # other tests may import what is not there
    said=$(timeout --signal INT --kill-after 10 $((seconds * 6 / 10)) \
        python -m pytest -v -rs -p no:cacheprovider -k "cuda or gpu" $files 2>&1 | tee /dev/stderr) || status=$?
    if [ $status = 124 ] || [ $status = 137 ]; then # the time was over, whatever had failed before
        echo "tests left out: those that are not listed above did not fit into the time"
        ! grep -qE " (FAILED|ERROR)" <<<"$said" && status=0 || status=1
    fi
    python benchmarks/gpu_check.py --only processes determinism --seconds $((seconds - SECONDS)) --out "$OUT/tests.jsonl" ||
        status=1
    return $status
}

part=${1:-measure}
case $part in measure | tests) ;; *) echo "$part: expected measure or tests" >&2; exit 2 ;; esac
mkdir -p "$OUT"
"$part" "${@:2}" 2>&1 | tee "$OUT/$part.log"
