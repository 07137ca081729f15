# Settings for tests/scripts: as scripts/settings/toy.sh, but with so little of everything that all tables are done in minutes.
SEED=${SEED:-0}
SIZES=(--channels 4 4 8 8 8 --depths 1 1 1 1 1)
HERE=(--workers 0 --device cpu)
CLS=("${SIZES[@]}" --epochs 2 --batch-size 4 --input-size 32 --nodes 2 --seed "$SEED" "${HERE[@]}")
IAM=("${CLS[@]}")
FBR_SIZES=(--embedding 4 --bank-size 20 --queries 8 --prototype-pixels 2 --negatives 4)
FBR=("${FBR_SIZES[@]}" --heads shared --labels refined --similarity-weight 0)
FBR_SALIENCY=("${FBR[@]}" --labels saliency)
INFER=("${HERE[@]}")
CROPS=(--iterations 2 --batch-size 2 --crop-size 33 --rates 1 2 "${HERE[@]}")
SEG_VGG16=(--backbone vgg16 "${SIZES[@]}" --fc-channels 8 "${CROPS[@]}")
SEG_IMAGENET=(--blocks 1 1 1 1 --width 4 "${CROPS[@]}")
SEG_COCO=("${SEG_IMAGENET[@]}" --convention caffe)
SEG=("${SEG_VGG16[@]}")
VGG16='' IMAGENET=_imagenet COCO=_coco
PREDICT=(--crf-iterations 1 --workers 1 --device cpu)
KERNEL=8 KERNELS=(3 8)
NODE=2 NODES=(2 3)
NSRM=(--kernel-size "$KERNEL")

prepare() {
    python -m data.prepare_toy --out "$DATA" --seed "$SEED" --train 6 --val 3 --workers 1 ${TOY_ARGS:-}
}

pretrain() {
    :
}
