# Sourced by method.sh where SETTINGS=voc12_irn, for ./run_all.sh voc12 voc12_irn: as voc12.sh without saliency, with the
# classifier of irn in NSROM's place (Ahn et al., CVPR 2019; AMN and FBR's setting I start from the same). It accumulates
# no attention, from which cls.train_iam could learn, and fbr.train has no such network.
source scripts/settings/voc12.sh
IMAGE_LEVEL=always
# The published optimiser passes the weight decay in the place of SGD's momentum: 1e-4; the 0.9 in its arguments is the
# power of the schedule. With --momentum 0.9 it is another training.
CLS=(--backbone resnet50 --init weights/resnet50.pth --crop-size 512 --long-side 320 640 --epochs 5 --batch-size 16
    --lr 0.1 --weight-decay 1e-4 --momentum 1e-4 --no-nesterov --schedule poly --seed "$SEED") # the head: lr 1.0
INFER=(--dump-float)
STARTS=(resnet50 resnet101)
