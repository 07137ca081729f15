# Sourced by method.sh: the toy run, for images of 96 x 128 pixels and a backbone an eighth as wide as VGG16.
# Chosen on seed 0; scripts/study/ablation.sh reports other seeds.
SEED=${SEED:-0}
INIT=weights/toy/weights.pth # one for all seeds, as ImageNet's weights are
SIZES=(--channels 8 16 32 64 64 --depths 1 1 2 2 2 --batch-norm)
STRIDE=(--output-stride 4) # the images are small
SQUARES=(--init "$INIT" "${SIZES[@]}" "${STRIDE[@]}" --epochs 8 --decay-epochs 4 6 --batch-size 10 --input-size 96
    --nodes 16 --seed "$SEED" ${AMP:-}) # AMP: --amp or --no-amp, for scripts/study/precision.sh
CLS=("${SQUARES[@]}") # the classifier, with FBR too
IAM=("${SQUARES[@]}") # the integral attention model
FBR_SIZES=(--embedding 64 --bank-size 2000 --queries 128 --prototype-pixels 18)
FBR=("${FBR_SIZES[@]}" --heads none --labels refined --background 0.5 --temperature 0.1
    --nroi-weight 0.05 --intra-weight 0.05 --similarity-weight 0 --segmentation-weight 0.1)
FBR_SALIENCY=("${FBR[@]}" --heads shared --labels saliency --intra-weight 0 --segmentation-weight 0)
INFER=(${AMP:-})
IRN_SEED=(--strict 0.6 --loose 0.3 --crf-iterations 5 --crf-bilateral-sxy 20 --crf-bilateral-srgb 13)
IRN=(--backbone vgg16 --init "$INIT" "${SIZES[@]}" "${STRIDE[@]}" --epochs 8 --batch-size 8 --crop-size 96 --radius 4
    --branch-width 16 --seed "$SEED" ${AMP:-})
IRN_WALK=(--background 0.5 --radius 3 --exponent 6 ${AMP:-})
IRN_INSTANCES=("${IRN_WALK[@]}" --centre 0.6)
IRN_CLS=("${CLS[@]}")
AMN=(--backbone vgg16 --init "$INIT" "${SIZES[@]}" "${STRIDE[@]}" --epochs 8 --batch-size 8 --crop-size 96
    --lr 5e-4 --rates 1 2 3 4 --seed "$SEED" ${AMP:-})
IRN_INFER=(--dump-float) AMN_INFER=("${INFER[@]}")
AMN_SEED=("${IRN_SEED[@]}" --strict 0.45 --loose 0.15)
FBR_AMN=("${FBR_SIZES[@]}") # as published, but for the sizes and the gradient of the contrasts
CROPS=(--iterations 480 --crop-size 97 --scales 0.75 1 1.25 1.5 --pyramid --rates 1 2 3 4 --seed "$SEED" ${AMP:-})
SEG_VGG16=(--backbone vgg16 --init "$INIT" "${SIZES[@]}" "${STRIDE[@]}" --fc-channels 0 --lr 3e-3 --no-freeze-bn "${CROPS[@]}")
RESNET=(--backbone resnet101 --blocks 1 1 2 1 --width 16 --lr 5e-3 "${CROPS[@]}") # there are no toy weights for a ResNet:
SEG_IMAGENET=("${RESNET[@]}")                 # both starts of Table 2 are at random here,
SEG_COCO=("${RESNET[@]}" --convention caffe)  # one in each convention
SEG_IMAGE_LEVEL=("${SEG_VGG16[@]}")
SEG=("${SEG_VGG16[@]}") # Tables 3 and 4, Figures 6 and 7: the run without a suffix
VGG16='' IMAGENET=_imagenet COCO=_coco
PREDICT=(--crf-iterations 5 --crf-bilateral-sxy 20 --crf-bilateral-srgb 13 ${AMP:-})
KERNEL=8 KERNELS=(1 2 3 5 8 11 13) # Figure 6, scaled from VOC's 500 x 375 pixels
NODE=16 NODES=(4 8 16 32)          # Figure 7, scaled to the backbone's width
NSRM=(--kernel-size "$KERNEL")

prepare() {
    python -m data.prepare_toy --out "$DATA" --seed "$SEED" ${TOY_ARGS:-}
    pretrain
}

pretrain() {
    python -m weights.pretrain_toy --out "$(dirname "$INIT")" "${SIZES[@]}"
}
