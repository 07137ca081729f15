#!/usr/bin/env bash
# Every stage in order, then the report, RUN/report/index.html; what is finished is skipped. Without an argument on the toy
# data; ./run_all.sh voc12 on VOC, and ./run_all.sh voc12 voc12_code there with the settings of
# scripts/settings/voc12_code.sh, in runs/voc12_code. ./run_all.sh coco14 on MS COCO: without data/coco14/saliency the
# method goes by IRN's labels, and RUN/image_level has a report of its own.
# Another seed: SEED=1 DATA=data/toy1 ./run_all.sh
[ -z "${1:-}" ] || export DATA=data/$1
[ -z "${2:-}" ] || export SETTINGS=$2
source "$(dirname "$0")/scripts/method.sh"
if [ -z "${IMAGE_LEVEL:-}" ] || { [ "$IMAGE_LEVEL" != always ] && [ -d "$DATA/saliency" ]; }; then
    whole_method
    scripts/summary.sh
else
    echo "goes without $DATA/saliency, by IRN, in $RUN/image_level" >&2
    image_level_method # with its summary
    python -m report.run.html --run "$RUN/image_level" --out "$RUN/image_level/report"
fi
python -m report.run.html --run "$RUN" --out "$RUN/report"
