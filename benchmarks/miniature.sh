# Settings for scripts/gpu_check.sh: the paper's networks with random weights, few iterations, drawn images of 500x375;
# with THIN tiny networks and images, for a CPU.
SEED=${SEED:-0}
SAVE=(--seed "$SEED" --save-every 3) # benchmarks/disturbed.py stops a training at its first checkpoint
RESNET=$(dirname "$DATA")/resnet.pth # random, too, but with batch norm that can stay frozen
if [ -n "${THIN:-}" ]; then
    IMAGES=(8 96 128)
    CLS=(--channels 4 4 4 4 4 --epochs 20 "${SAVE[@]}")
    SEG=(--blocks 1 1 1 1 --width 4 --iterations 40 --batch-size 2 --crop-size 65 "${SAVE[@]}")
    PREDICT=(--crf-iterations 1)
else
    IMAGES=(32 375 500)
    CLS=(--epochs 4 "${SAVE[@]}")
    SEG=(--iterations 30 "${SAVE[@]}")
    PREDICT=()
fi
IAM=("${CLS[@]}")
SEG+=(--init "$RESNET" --convention caffe --lr 1e-6) # random weights and a frozen batch norm bear no more
INFER=()
KERNEL=30
NSRM=(--kernel-size "$KERNEL")

prepare() {
    [ -e "$DATA/classes.txt" ] || python benchmarks/draw.py "$(dirname "$DATA")" "${IMAGES[@]}"
    [ -e "$RESNET" ] || python benchmarks/trainings.py "$RESNET" ${THIN:+thin}
}
