# Sourced by method.sh: six classes of PASCAL VOC 2012, everything else background, on photographs of 320 pixels with
# EfficientNet-Lite0, whose weights come from ImageNet as VGG16's do. DEVKIT names VOCdevkit/VOC2012 if it is not to be
# downloaded. Chosen on seed 0, on images held out of VOC's train, IRN_WALK on the others of train (docs/real.md). AMN's
# settings and those of IRN's training are not tuned.
source scripts/settings/voc12.sh
LIGHT=(--backbone timm:tf_efficientnet_lite0 --output-stride 16 --init weights/efficientnet_lite0.pth --seed "$SEED")
SQUARES=("${LIGHT[@]}" --channels 64 128 256 512 256 --batch-size 8 --lr 1e-4)
CLS=("${SQUARES[@]}" --epochs 5 --decay-epochs 3 4)
IAM=("${SQUARES[@]}" --epochs 4 --decay-epochs 3)
SEG=("${LIGHT[@]}" --iterations 2000 --batch-size 8 --crop-size 257 --pyramid --rates 3 6 9 12)
SEG_IMAGE_LEVEL=("${SEG[@]}")
IRN=("${LIGHT[@]}" --batch-size 16 --crop-size 256)
IRN_WALK=(--background 0.6)
IRN_CLS=("${CLS[@]}")
AMN_INFER=()
AMN=("${LIGHT[@]}" --epochs 10 --batch-size 8 --lr 2e-5 --crop-size 256 --rates 3 6 9 12)
PREDICT=(--pyramid 1.5 --crf-bilateral-sxy 43) # 67 on VOC's 500 pixels
KERNEL=20 KERNELS=(5 10 20 30)   # 30 on VOC's
NSRM=(--kernel-size "$KERNEL")
STARTS=(efficientnet_lite0)

prepare() { # --no-saliency if a script reads none
    local devkit=(--download)
    [ -z "${DEVKIT:-}" ] || devkit=(--devkit "$DEVKIT")
    fetch efficientnet_lite0.pth # which needs timm, before a long download
    python -m data.prepare_voc12 "${devkit[@]}" --no-saliency --subset animals --longest 320 --out "$DATA"
    [ "${1:-}" != --no-saliency ] || return 0
    fetch u2net.onnx
    python -m data.saliency --data "$DATA" --split "$TRAIN" --weights weights/u2net.onnx
}
