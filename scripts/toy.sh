# Sourced by run_all.sh: the hyperparameters of the toy run, for images of 96 x 128 pixels and a trunk a fifth as wide as VGG16.
SEED=${SEED:-0}
INIT=weights/$(basename "$DATA").pth
TRUNK=(--channels 16 32 64 96 96 --depths 1 1 2 2 2 --batch-norm)
COMMON=(--seed "$SEED")
CLS=(--init "$INIT" "${TRUNK[@]}" --epochs 12 --decay-epochs 6 10 --batch-size 10 --input-size 128 --nodes 16 "${COMMON[@]}")
INFER=(--input-size 128)
SEG=(--init "$INIT" --backbone vgg16 "${TRUNK[@]}" --fc-channels 96 --rates 1 2 3 4 --iterations 480 --lr 1e-3 --crop-size 97
    --scales 0.75 1 1.25 1.5 "${COMMON[@]}")
PREDICT=(--crf-bilateral-sxy 20 --crf-bilateral-srgb 13)
NSRM=(--kernel-size 8) # 30 on VOC's 500 x 375
