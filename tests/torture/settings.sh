# Settings for scripts/torture.sh: as tests/scripts/tiny.sh, but every stage starts through $LAUNCH, the trainings have loader
# processes and last a while, and they write checkpoints often.
source tests/scripts/tiny.sh
HERE=(--workers 1 --device cpu)
CLS=("${TRUNK[@]}" --epochs 12 --batch-size 4 --input-size 32 --nodes 2 --seed "$SEED" "${HERE[@]}" --save-every 7)
IAM=("${CLS[@]}")
CROPS=(--iterations 60 --batch-size 4 --crop-size 33 --rates 1 2 "${HERE[@]}" --save-every 7)
SEG_VGG16=(--backbone vgg16 "${TRUNK[@]}" --fc-channels 8 "${CROPS[@]}")
SEG=("${SEG_VGG16[@]}")
PREDICT=(--crf-iterations 1 "${HERE[@]}")

prepare() {
    $LAUNCH_LABELS data.prepare_toy --out "$DATA" --seed "$SEED" --train 24 --val 6 --workers 1
}
