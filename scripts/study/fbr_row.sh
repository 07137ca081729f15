#!/usr/bin/env bash
# A row of fbr.sh: classifier, CAMs, refined CAMs, the initial label from the CAMs and their scores; RUN/<name>/.
# ROW: "name command argument …", from fbr.sh; empty: only the data are made.
source "$(dirname "$0")/../method.sh"
[ -n "${ROW:-}" ] || { prepare; exit; }
read -r name command arguments <<<"$ROW"
RUN=$RUN/$name
launch "$command" --out "$RUN/cls" "${CLS[@]}" $arguments
launch cls.infer --weights "$RUN/cls/weights.pth" --out "$RUN/cam" "${INFER[@]}"
launch_labels fbr.refine --maps "$RUN/cam" --out "$RUN/cam_refined"
for maps in cam cam_refined; do
    scripts/evaluate.sh "$maps" "$EVAL_TRAIN" --map-thresholds $(LC_ALL=C seq 0.05 0.05 0.95) --threshold 0.5
    launch_labels report.studies.context --split "$EVAL_TRAIN" --maps "$RUN/$maps" --out "$RUN/scores/context_$maps"
done
scripts/pseudo_background.sh --oa-cam "$RUN/cam" --out "$RUN/label_cam"
scripts/evaluate.sh label_cam "$EVAL_TRAIN"
