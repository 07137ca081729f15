"""VGG backbone of the classifier (paper 3.1) and of DeepLab-v2 (paper 4.1)."""

from torch import nn

from common.nets.architecture import VGGArch


def vgg_features(arch: VGGArch) -> nn.Sequential:
    """Build VGG's convolutions: (B, 3, H, W) -> (B, channels[-1], ~H/8, ~W/8) at output stride 8.

    Pools 1 to 3 are 2x2 with stride 2, pool 4 is 3x3 with stride 1, there is no pool 5; the convolutions of the fifth
    stage have dilation 2. At output stride 4, for small images, pool 3 is like pool 4; at 16, pool 4 is like pool 3.
    With the default sizes the parameters have torchvision's names (`0.weight`, `2.weight`, …).
    """
    layers, in_channels = [], 3
    for stage, (out_channels, depth) in enumerate(zip(arch.channels, arch.depths, strict=True)):
        dilation = 2 if stage == 4 else 1
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation))
            if arch.batch_norm:
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
            in_channels = out_channels
        if 2 ** (stage + 1) <= arch.output_stride:
            layers.append(nn.MaxPool2d(2, stride=2))
        elif stage < 4:
            layers.append(nn.MaxPool2d(3, stride=1, padding=1))
    return nn.Sequential(*layers)
