# Sourced by every script: the repository's root, its Python environment, and where data and results lie.
# docs/scripts.md lists the variables that it reads.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

DATA=${DATA:-data/toy}
run=$(basename "$DATA")
case $run in toy*) settings=toy ;; *) settings=voc12 ;; esac
if [ -f "scripts/settings/$run.sh" ]; then
    settings=$run
    source "scripts/settings/$run.sh" # the data set's own: with whatever SETTINGS, its lists are these
fi
settings=${SETTINGS:-$settings}
[[ $settings == */* ]] || settings=scripts/settings/$settings.sh
if ! [ -f "$settings" ]; then
    echo "SETTINGS=$SETTINGS: expected a path with a slash or one of" $(basename -s .sh scripts/settings/*.sh) >&2
    exit 2
fi
if [ -n "${SETTINGS:-}" ]; then # voc12_code for data/voc12, mine_voc12_code for data/mine
    name=$(basename "$settings" .sh)
    [[ $name == "$run"* ]] && run=$name || run=${run}_$name
fi
RUN=${RUN:-runs/$run}
TRAIN=${TRAIN:-train} VAL=${VAL:-val}
export DATA RUN TRAIN VAL EVAL_TRAIN=${EVAL_TRAIN:-$TRAIN}

VENV=${VENV-.venv}
install() { # requirements, mark: installs them if that has not been tried since they changed
    ! [ -e "$VENV/$2" ] || [ "$1" -nt "$VENV/$2" ] || return 0
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" || return
    touch "$VENV/$2"
}
if [ -n "$VENV" ]; then
    [ -e "$VENV/bin/python" ] || "${PYTHON:-python3}" -m venv "$VENV"
    install requirements.txt installed
    if ! install requirements-crf.txt installed-crf >>"$VENV/crf.log" 2>&1; then
        echo "pydensecrf2 could not be installed (it needs a C++ compiler and Python below 3.13; $VENV/crf.log):" \
            "dense CRF takes this project's own, equal within rounding" >&2
        touch "$VENV/installed-crf"
    fi
    export PATH="$(cd "$VENV/bin" && pwd):$PATH"
else
    PYTHON=$(command -v "${PYTHON:-python3}") || { echo "PYTHON: expected a program, found none" >&2; exit 2; }
    export PYTHON PATH="$PWD/scripts/bin:$PATH"
fi

if [ -n "${GPUS:-}" ]; then
    export CUDA_VISIBLE_DEVICES=$GPUS CUDA_DEVICE_ORDER=PCI_BUS_ID # as nvidia-smi counts them
    count=$(wc -w <<<"${GPUS//,/ }")
    [ "$count" = 1 ] || LAUNCH=${LAUNCH:-python -m torch.distributed.run --standalone --nproc-per-node $count -m}
fi
export LAUNCH=${LAUNCH:-python -m} LAUNCH_LABELS=${LAUNCH_LABELS:-python -m}
