#!/usr/bin/env bash
# The scores of a folder of predictions, labels or maps: scripts/evaluate.sh FOLDER SPLIT, both of RUN and DATA.
# Further arguments are passed on.
source "$(dirname "$0")/env.sh"
list=$DATA/lists/$2.txt
has_truth() { # whether any image of the list has ground truth; if only some have, evaluate.labels names one that has not
    while read -r id _ || [ -n "$id" ]; do
        [ ! -e "$DATA/SegmentationClass/$id.png" ] || return 0
    done <"$list"
    return 1
}
if [ -e "$list" ] && ! has_truth; then
    echo "$RUN/$1: not scored, no image of $list has ground truth in $DATA/SegmentationClass"
    exit
fi
$LAUNCH_LABELS evaluate.labels --data "$DATA" --split "$2" --pred "$RUN/$1" --out "$RUN/scores/$1" "${@:3}" >/dev/null
