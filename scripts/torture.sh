#!/usr/bin/env bash
# Runs the whole method on a few toy images, undisturbed and again with every stage killed at random moments, and compares all
# that they wrote; then with a full disk and with too little memory: scripts/torture.sh [KILLS], of each stage (default 3).
# FOLDER: where (default runs/torture, deleted first). About four minutes on 2 cores.
source "$(dirname "$0")/env.sh"
export TORTURE_KILLS=${1:-3} FOLDER=${FOLDER:-runs/torture} OMP_NUM_THREADS=1
rm -rf "$FOLDER"
mkdir -p "$FOLDER"/{calm,killed}

run() { # folder
    DATA=$FOLDER/$1/data RUN=$FOLDER/$1/run TORTURE_LOG=$FOLDER/$1/log.jsonl SETTINGS=tests/torture/settings.sh \
        LAUNCH="python tests/torture/launch.py" LAUNCH_LABELS="python tests/torture/launch.py" \
        ./run_all.sh >"$FOLDER/$1.txt"
}

TORTURE_KILLS=0 run calm
TORTURE_CALM=$FOLDER/calm/log.jsonl run killed
python tests/torture/torture.py "$FOLDER" | tee "$FOLDER/summary.md"
