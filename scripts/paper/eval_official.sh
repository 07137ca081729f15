#!/usr/bin/env bash
# The authors' trained model, with multi-scale input and CRF (paper 4.1), on the val images; <run>/official.md.
# WEIGHTS: its file, fetched if it is not there. Further arguments are passed to seg.predict and win over those below.
DATA=${DATA:-data/voc12}
source "$(dirname "$0")/../env.sh"
WEIGHTS=${WEIGHTS:-weights/nsrom_voc12.pth}
[ -e "$WEIGHTS" ] || python -m weights.fetch nsrom_voc12 --out "$WEIGHTS"
$LAUNCH seg.predict --data "$DATA" --split "$VAL" --weights "$WEIGHTS" --out "$RUN/official_$VAL" \
    --pyramid 0.5 0.75 --crf --crf-iterations 10 --crf-bilateral-sxy 67 --crf-bilateral-srgb 3 "$@"
scripts/evaluate.sh "official_$VAL" "$VAL"
python -m report.tables.table --run "$RUN" --name official --title "The authors' trained model" \
    --row "checkpoint_70.4.pth, COCO start, CRF" 70.4 "official_$VAL"
