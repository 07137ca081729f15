# Sourced by method.sh where SETTINGS=voc12_irn, for ./run_all.sh voc12 voc12_irn: as voc12.sh without saliency, with the
# classifier of irn in NSROM's place (Ahn et al., CVPR 2019; AMN and FBR's setting I start from the same). It accumulates
# no attention, from which cls.train_iam could learn, and fbr.train has no such network.
source scripts/settings/voc12.sh
IMAGE_LEVEL=always
CLS=("${IRN_CLS[@]}")
INFER=("${IRN_INFER[@]}")
STARTS=(resnet50 resnet101)
