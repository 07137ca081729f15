#!/usr/bin/env bash
# Whether everything works on a GPU, and how fast: scripts/gpu_check.sh [measure|tests|stages …], by default all three in
# turn, each in at most 9 minutes. A part that fails makes the exit status 1; the others still run.
#   measure  benchmarks/gpu_check.py: devices, steps, memory, prediction, CRF, loaders, …; the time of the paper's run
#   tests    the tests that need a GPU
#   stages   every stage at the paper's network sizes on a few drawn images, with a kill -9, a SIGTERM and going on
# It needs PyTorch, torchvision, OpenCV, SciPy, tqdm, TensorBoard and pytest, no network, and makes no environment: PYTHON
# (default python3) is taken as it is; VENV=.venv takes that one. OUT: what it writes (default runs/gpu_check). THIN=1:
# everything is tiny, for a try on a CPU. The benchmarks page has OUT/gpu_check.jsonl as docs/bench/gpu.jsonl.
export VENV=${VENV-} OUT=${OUT:-runs/gpu_check}
export DATA=$OUT/stages/data RUN=$OUT/stages/run SETTINGS=benchmarks/miniature.sh
source "$(dirname "$0")/env.sh"

measure() {
    python benchmarks/gpu_check.py --out "$OUT/gpu_check.jsonl"
}

tests() {
    local files # other tests may import what is not there
    files=$(grep -rl --include "test_*.py" "cuda.is_available" tests)
    python -m pytest -q -rs -p no:cacheprovider -k "cuda or gpu" $files
}

stages() {
    rm -rf "$OUT/stages"
    LAUNCH="python benchmarks/disturbed.py" ./run_all.sh
    python benchmarks/finished.py "$RUN"
}

if [ "${1:-}" = --part ]; then
    "$2"
    exit
fi
[ $# -gt 0 ] || set -- measure tests stages
status=0
mkdir -p "$OUT"
for part; do
    case $part in measure | tests | stages) ;; *) echo "$part: expected measure, tests or stages" >&2; exit 2 ;; esac
    start=$SECONDS
    timeout --kill-after 10 540 "$0" --part "$part" & # in a process group of its own, which no Ctrl-C reaches
    trap "kill $!; exit 130" INT TERM
    if wait $!; then result=passed; else result=FAILED status=1; fi
    echo "gpu_check.sh $part: $result, $((SECONDS - start)) s"
done
exit $status
