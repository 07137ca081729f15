#!/usr/bin/env bash
# What FBR's parts add, on toy data whose objects come with a context: scripts/study/fbr.sh [SEEDS…] (default 1 2 3 4 5;
# the settings were chosen on 0). A job for each row and seed. Interrupted, the same command goes on. Ends in runs/fbr/:
# results.jsonl, RESULTS.md, plot and picture. ROWS: names of some rows alone; WHOLE: of the rows, those that go through
# the whole method; SWEEP_SEEDS: of the seeds, those that the sweeps run with; OUT: another folder than runs/fbr.
OUT=${OUT:-runs/fbr}
export TOY_ARGS=${TOY_ARGS:---context 0.9 --context-alone 0.1}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/jobs.sh"
[ $# -gt 0 ] || set -- 1 2 3 4 5
SWEEP_SEEDS=${SWEEP_SEEDS-1}

PUBLISHED="${FBR_SIZES[*]} --diagnose" # and the defaults of fbr.train: two heads, labels cam, background 0.1, τ 0.5, all weights
NROI="$PUBLISHED --background 0.5 --temperature 0.1
    --nroi-weight 0.05 --intra-weight 0 --similarity-weight 0 --segmentation-weight 0" # ours: the pixel-to-NROI contrast alone
SHARED="$NROI --heads shared --labels" NONE="$NROI --heads none --labels"
PARTS="--intra-weight 0.05 --segmentation-weight 0.1"
TABLE=( # name, command of the training, arguments beside CLS
    "ce                       cls.train"
    "none_refined             fbr.train $NONE refined"
    "shared_saliency          fbr.train $SHARED saliency"    # FBR_SALIENCY in settings/toy.sh
    "all                      fbr.train $NONE refined $PARTS" # FBR there
    "all_saliency             fbr.train $SHARED saliency $PARTS"
    "published                fbr.train $PUBLISHED"
    "similarity_segmentation  fbr.train $PUBLISHED --nroi-weight 0 --intra-weight 0"
    "intra                    fbr.train $NONE refined --nroi-weight 0 --intra-weight 0.05"
    "null                     fbr.train $NONE refined --nroi-weight 1e-6" # controls
    "cut                      fbr.train $NONE refined --intra-weight 0.05 --cut-gradient"
    "random                   fbr.train $NONE refined --random-nrois"
    "one_centre               fbr.train $NONE refined --centres 1"
    "none_cam                 fbr.train $NONE cam"
    "none_saliency            fbr.train $NONE saliency"
    "none_truth               fbr.train $NONE truth" # the bound
    "shared_cam               fbr.train $SHARED cam"
    "shared_refined           fbr.train $SHARED refined"
    "shared_truth             fbr.train $SHARED truth"
    "shared_linear            fbr.train $SHARED refined --no-projection-relu"
)
WHOLE=${WHOLE-ce all all_saliency} # rows that go through the whole method
SWEEPS=( # from none_refined: sweep_<argument>_<value>
    "sweep_centres_2           fbr.train $NONE refined --centres 2"
    "sweep_centres_4           fbr.train $NONE refined --centres 4"
    "sweep_centres_16          fbr.train $NONE refined --centres 16"
    "sweep_centres_32          fbr.train $NONE refined --centres 32"
    "sweep_bank_size_500       fbr.train $NONE refined --bank-size 500"
    "sweep_bank_size_20000     fbr.train $NONE refined --bank-size 20000"
    "sweep_temperature_0.07    fbr.train $NONE refined --temperature 0.07"
    "sweep_temperature_0.5     fbr.train $NONE refined --temperature 0.5"
    "sweep_nroi_weight_0.02    fbr.train $NONE refined --nroi-weight 0.02"
    "sweep_nroi_weight_0.1     fbr.train $NONE refined --nroi-weight 0.1"
    "sweep_nroi_weight_0.2     fbr.train $NONE refined --nroi-weight 0.2"
)
every=("${TABLE[@]%% *}" "${SWEEPS[@]%% *}")
ROWS=${ROWS:-${every[*]}}
for name in $ROWS; do
    [[ " ${every[*]} " == *" $name "* ]] || { echo "ROWS: there is no row $name" >&2; exit 2; }
done

lines() { # seed, script, rows: a line for each of the rows that ROWS names
    local row
    for row in "${@:3}"; do
        [[ " $ROWS " != *" ${row%% *} "* ]] || echo "$OUT $1 $2" $row # unquoted: one line
    done
}
pretrain
for seed; do echo "$OUT $seed scripts/study/fbr_row.sh"; done | run_jobs ROW
for row in "${TABLE[@]}"; do
    for seed; do lines "$seed" scripts/study/fbr_row.sh "$row"; done
done | run_jobs ROW
echo "rows: $SECONDS s"
{
    for name in $WHOLE; do
        for seed; do lines "$seed" scripts/study/fbr_whole.sh "$name"; done
    done
    for seed in $SWEEP_SEEDS; do
        [[ " $* " != *" $seed "* ]] || lines "$seed" scripts/study/fbr_row.sh "${SWEEPS[@]}"
    done
} | run_jobs ROW
if [[ " $ROWS " == *" ce "* && " $ROWS " == *" all "* && " $ROWS " == *" all_saliency "* ]]; then
    python -m report.studies.picture --data "$OUT/toy$1" --split "$TRAIN" --run "$OUT/seed$1" \
        --rows ce all all_saliency --out "$OUT/maps.png"
fi
results fbr "$@"
