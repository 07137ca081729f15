"""The VGG trunk that the classifier (paper 3.1) and DeepLab-v2 (paper 4.1) share."""

from torch import nn

VGG16_CHANNELS = (64, 128, 256, 512, 512)
VGG16_DEPTHS = (2, 2, 3, 3, 3)


def vgg_features(channels=VGG16_CHANNELS, depths=VGG16_DEPTHS, batch_norm=False, output_stride=8):
    """VGG's convolutions as nn.Sequential: (B, 3, H, W) -> (B, channels[-1], ~H/8, ~W/8), 8 being the `output_stride`.

    Pools 1 to 3 are 2x2 with stride 2, pool 4 is 3x3 with stride 1, there is no pool 5; the convolutions of the fifth
    stage have dilation 2. At output stride 4, for small images, pool 3 is as pool 4. With the default sizes the
    parameters have torchvision's names (`0.weight`, `2.weight`, …).
    """
    layers, in_channels = [], 3
    for stage, (out_channels, depth) in enumerate(zip(channels, depths)):
        dilation = 2 if stage == 4 else 1
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
            in_channels = out_channels
        if 2 ** (stage + 1) <= output_stride:
            layers.append(nn.MaxPool2d(2, stride=2))
        elif stage < 4:
            layers.append(nn.MaxPool2d(3, stride=1, padding=1))
    return nn.Sequential(*layers)
