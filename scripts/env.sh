# Sourced by every script: the repository's root, its Python environment, and where data and results lie.
# From outside: PYTHON makes the environment (default python3), DATA and RUN are folders, GPUS the numbers of the GPUs to use,
# such as 1 or 0,1,2,3. LAUNCH starts a stage that runs a network, LAUNCH_LABELS one that does not (scripts/slurm.sbatch).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! [ -e .venv/installed ] || [ requirements.txt -nt .venv/installed ]; then
    [ -e .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    touch .venv/installed
fi
export PATH="$PWD/.venv/bin:$PATH"

DATA=${DATA:-data/toy}
RUN=${RUN:-runs/$(basename "$DATA")}
if [ "$(basename "$DATA")" = voc12 ]; then # trained on train_aug, of which only train has ground truth
    TRAIN=${TRAIN:-train_aug} EVAL_TRAIN=${EVAL_TRAIN:-train}
fi
TRAIN=${TRAIN:-train} VAL=${VAL:-val}
export DATA RUN TRAIN VAL EVAL_TRAIN=${EVAL_TRAIN:-$TRAIN}
if [ -n "${GPUS:-}" ]; then
    export CUDA_VISIBLE_DEVICES=$GPUS
    count=$(wc -w <<<"${GPUS//,/ }")
    [ "$count" = 1 ] || LAUNCH=${LAUNCH:-torchrun --standalone --nproc-per-node $count -m}
fi
export LAUNCH=${LAUNCH:-python -m} LAUNCH_LABELS=${LAUNCH_LABELS:-python -m}
