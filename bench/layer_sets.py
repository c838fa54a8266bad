# SPDX-License-Identifier: BSD-3-Clause
"""The named sets of layers that `run.py --only` takes. A new set is a function here and a line in `SETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from layers import Layer, Pads, conv, distinct


@dataclass(frozen=True)
class LayerSet:
    name: str
    about: str
    make: Callable[[], tuple[Layer, ...]]
    network: bool = False  # all convolutions of a network: the sum over them means something


def resnet50() -> tuple[Layer, ...]:
    """ResNet-50 (He et al. 2015), the stride in the 3x3 layers, as torchvision has it: 53 convolutions."""
    layers = [conv(3, 64, 224, 7, stride=2)]
    c, size = 64, 56
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers += [conv(c, width, size, 1), conv(width, width, size, 3, stride)]
            layers += [conv(c, 4 * width, size, 1, stride)] if block == 0 else []
            size //= stride
            layers.append(conv(width, 4 * width, size, 1))
            c = 4 * width
    return distinct(layers)


def vgg16() -> tuple[Layer, ...]:
    """VGG-16 (Simonyan and Zisserman 2014): 13 convolutions."""
    layers = []
    c, size = 3, 224
    for width, repeats in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(repeats):
            layers.append(conv(c, width, size, 3))
            c = width
        size //= 2
    return distinct(layers)


def in_order_of_mobilenetv2() -> list[Layer]:
    """MobileNet-V2 (Sandler et al. 2018), width 1.0: 52 convolutions."""
    layers = [conv(3, 32, 224, 3, stride=2)]
    c, size = 32, 112
    settings = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    for expand, o, repeats, first_stride in settings:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            wide = c * expand
            layers += [conv(c, wide, size, 1)] if expand > 1 else []
            layers.append(conv(wide, wide, size, 3, stride, groups=wide))
            size //= stride
            layers.append(conv(wide, o, size, 1))
            c = o
    return [*layers, conv(320, 1280, 7, 1)]


def mobilenetv2() -> tuple[Layer, ...]:
    return distinct(in_order_of_mobilenetv2())


def pointwise(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return tuple(layer for layer in layers if set(layer.kernel) == {1})


def direct() -> tuple[Layer, ...]:
    """k x k layers of common networks that a direct algorithm has to serve well."""
    return (
        *(conv(c, c, size, 3) for c, size in [(64, 56), (128, 28), (256, 14), (512, 7)]),  # ResNet
        *(conv(c, c, size, 3) for c, size in [(64, 224), (128, 112), (256, 56), (512, 28), (512, 14)]),  # VGG
        *(conv(c, c, size, 3, stride=2) for c, size in [(128, 56), (256, 28), (512, 14)]),
        *(conv(c, o, size, 5) for c, o, size in [(48, 64, 35), (64, 96, 28)]),  # Inception
        *(conv(c, c, 17, kernel) for c in (128, 192) for kernel in [(1, 7), (7, 1)]),  # Inception
        *(conv(c, c, 28, 3, dilation=2) for c in (256, 512)),  # dilated ResNet
        *(conv(c, 256, 33, 3, dilation=12) for c in (320, 512, 2048)),  # ASPP of DeepLab
        *(conv(c, o, s, 4, stride=4, padding=0) for c, o, s in [(3, 96, 224), (96, 192, 56)]),  # patches
        conv(3, 64, 224, 7, stride=2),
    )


def winograd() -> tuple[Layer, ...]:
    """What Winograd is for in ResNet-50 and VGG-16: 3x3, stride 1, 32 or more input channels; each once."""
    layers = [layer for layer in (*resnet50(), *vgg16()) if layer.kernel == (3, 3) and layer.stride == (1, 1)]
    return tuple(dict.fromkeys(replace(layer, count=1) for layer in layers if layer.c >= 32))


def winograd_odd() -> tuple[Layer, ...]:
    """The same with maps that no tile divides, channels that fill no vector or panel, and batches."""
    return (
        *(conv(128, 128, size, 3) for size in (13, 20, 27, 31, 80)),
        *(conv(c, o, 28, 3) for c, o in [(37, 53), (100, 100), (144, 144), (240, 240)]),
        *(conv(c, c, size, 3, batch=8) for c, size in [(256, 14), (512, 7)]),
    )


def winograd_more() -> tuple[Layer, ...]:
    """What Winograd's machinery serves besides: larger and flat kernels, dilation, volumes, sequences."""
    return (
        *(conv(c, o, size, 5) for c, o, size in [(48, 64, 35), (64, 96, 28)]),  # Inception
        *(conv(192, 192, 17, kernel) for kernel in [(1, 7), (7, 1)]),  # Inception
        *(conv(256, 256, 33, 3, dilation=d) for d in (2, 12)),  # DeepLab
        *(layer for layer in c3d() if layer.c >= 64),
        *(conv(c, c, (n,), k) for c, n in [(128, 4096), (256, 1000)] for k in (3, 5, 7)),
        conv(64, 64, (16, 56, 56), (1, 3, 3)),  # the spatial half of a (2+1)-D layer
    )


def strided() -> tuple[Layer, ...]:
    """Strides of 2, and first layers, which have three channels."""
    return (
        conv(3, 64, 224, 7, stride=2),  # ResNet's first layer
        conv(64, 128, 56, 5, stride=2),
        *(conv(c, c, size, 3, stride=2) for c, size in [(128, 56), (256, 28), (512, 14)]),  # ResNet-50
        conv(3, 32, 224, 3, stride=2),  # MobileNet's first layer
        conv(64, 128, (16, 28, 28), 3, stride=2),
        conv(3, 64, (16, 112, 112), 7, stride=2),  # as I3D's first layer, smaller
        conv(3, 64, 224, 3),  # VGG's first layer
    )


def c3d() -> tuple[Layer, ...]:
    """C3D (Tran et al. 2014), each layer once."""
    layers = [
        (3, 64, (16, 112, 112)),
        (64, 128, (16, 56, 56)),
        (128, 256, (8, 28, 28)),
        (256, 256, (8, 28, 28)),
        (256, 512, (4, 14, 14)),
        (512, 512, (4, 14, 14)),
        (512, 512, (2, 7, 7)),
    ]
    return tuple(conv(c, o, size, 3) for c, o, size in layers)


def conv3d() -> tuple[Layer, ...]:
    """C3D, a 3-D U-Net (Cicek et al. 2016) on 32^3, I3D's first layer, dilated ones."""
    unet = [
        (1, 32, 32),
        (32, 64, 32),
        (64, 64, 16),
        (64, 128, 16),
        (128, 128, 8),
        (128, 256, 8),
        (256, 256, 4),
        (256, 512, 4),
    ]
    unet += [(768, 256, 8), (256, 256, 8), (384, 128, 16), (128, 128, 16), (192, 64, 32), (64, 64, 32)]
    return (
        *c3d(),
        *(conv(c, o, size, 3, rank=3) for c, o, size in unet),
        conv(64, 3, 32, 1, rank=3),
        conv(3, 64, (16, 224, 224), 7, stride=2),
        conv(32, 32, 32, 3, dilation=2, rank=3),
        conv(64, 64, (16, 28, 28), 3, dilation=2),
    )


def audio1d() -> tuple[Layer, ...]:
    """Speech encoders, dilated causal stacks, a vocoder, long filters on one channel."""

    def causal(kernel: int, dilation: int) -> Pads:
        return ((dilation * (kernel - 1), 0),)

    return (
        conv(1, 512, (16000,), 10, stride=5, padding=0),  # wav2vec 2.0 (Baevski et al. 2020), one second
        *(conv(512, 512, (n,), 3, stride=2, padding=0) for n in (3199, 1599, 799, 399)),
        *(conv(512, 512, (n,), 2, stride=2, padding=0) for n in (199, 99)),
        conv(768, 768, (49,), 128, padding=64, groups=16),  # its positional layer
        conv(80, 384, (3000,), 3),  # Whisper tiny (Radford et al. 2022)
        conv(384, 384, (3000,), 3, stride=2, padding=1),
        *(conv(64, 128, (16000,), 2, padding=causal(2, d), dilation=d) for d in (1, 512)),  # WaveNet (2016)
        *(
            conv(64, 64, (4096,), 3, padding=causal(3, d), dilation=d) for d in (1, 4, 16, 64)
        ),  # TCN (Bai 2018)
        *(conv(128, 128, (4096,), k, dilation=d) for k, d in [(3, 1), (7, 3), (11, 5)]),  # HiFi-GAN (2020)
        conv(1, 512, (32000,), 16, stride=8, padding=0),  # Conv-TasNet (Luo and Mesgarani 2019)
        conv(128, 512, (3999,), 1),
        conv(512, 512, (3999,), 3, dilation=8, groups=512),
        conv(256, 256, (500,), 31, groups=256),  # Conformer (Gulati et al. 2020)
        *(conv(1, 1, (48000,), k, padding=0) for k in (32, 513, 4097)),  # FIR filters on one second
    )


def depthwise() -> tuple[Layer, ...]:
    """The depthwise layers of MobileNet-V2, each once, and 5x5 and 7x7 ones on maps of the same sizes."""
    mobile = tuple(replace(layer, count=1) for layer in mobilenetv2() if layer.depthwise)
    sizes = [(96, 56), (192, 28), (384, 14), (768, 7)]  # channels as ConvNeXt's (Liu et al. 2022)
    return (
        *dict.fromkeys(mobile),
        *(conv(c, c, n, k, s, groups=c) for k in (5, 7) for c, n in sizes for s in (1, 2)),
    )


def few_channels() -> tuple[Layer, ...]:
    """First layers, of one to four channels in, and last layers, of one to four out."""
    return (
        conv(3, 32, 224, 3, stride=2),  # MobileNet
        conv(3, 96, 227, 11, stride=4, padding=0),  # AlexNet (Krizhevsky et al. 2012)
        conv(3, 96, 224, 4, stride=4, padding=0),  # Swin (Liu et al. 2021), ConvNeXt
        conv(1, 64, 256, 9),  # SRCNN (Dong et al. 2014)
        conv(3, 64, 224, 3),  # VGG
        conv(32, 1, 256, 5),  # SRCNN's last
        conv(64, 3, 256, 3),  # the last layer of super-resolution and of denoisers
        conv(64, 2, 256, 1),  # the last layer of U-Net (Ronneberger et al. 2015)
    )


def grouped() -> tuple[Layer, ...]:
    """ResNeXt-50 32x4d (Xie et al. 2017) and ShuffleNet (Zhang et al. 2018) with 3 groups."""
    return (
        *(conv(c, c, n, 3, groups=32) for c, n in [(128, 56), (256, 28), (512, 14), (1024, 7)]),
        conv(256, 256, 56, 3, stride=2, groups=32),
        conv(240, 240, 28, 1, groups=3),
        conv(60, 240, 28, 1, groups=3),
    )


def sequences() -> tuple[Layer, ...]:
    """1-D: depthwise, a long FIR filter, dilated, strided, a codec's (SoundStream, Zeghidour et al. 2021)."""
    causal = ((64, 0),), ((1, 0),)
    return (
        conv(512, 512, (1000,), 31, groups=512),  # Conformer
        conv(1, 1, (480_000,), 129, padding=0),
        *(conv(64, 128, (16_000,), 2, padding=pad, dilation=pad[0][0]) for pad in reversed(causal)),
        conv(1, 512, (16_000,), 10, stride=5, padding=0),
        conv(32, 32, (24_000,), 7),
    )


def long_filters() -> tuple[Layer, ...]:
    """FIR filters on ten seconds of sound at 48 kHz."""
    return tuple(conv(1, 1, (480_000,), k, padding=0) for k in (33, 65, 129, 257, 512, 1024))


def volumes() -> tuple[Layer, ...]:
    """3-D: depthwise (X3D, Feichtenhofer 2020), the temporal half of a (2+1)-D layer (Tran et al. 2018)."""
    return (
        conv(108, 108, (16, 28, 28), 3, groups=108),
        conv(108, 108, (16, 28, 28), (1, 3, 3), groups=108),
        conv(108, 108, (16, 28, 28), (3, 1, 1), groups=108),
        conv(64, 64, (16, 56, 56), (3, 1, 1)),
    )


def filters() -> tuple[Layer, ...]:
    """Filters of an image of four megapixels."""
    return tuple(conv(1, 1, 2048, k) for k in (3, 5, 7, 9, 11, 15, 21, 31))


def lenet() -> tuple[Layer, ...]:
    """LeNet-5 (LeCun et al. 1998): small layers, where the cost of a call counts."""
    return conv(1, 6, 28, 5), conv(6, 16, 14, 5, padding=0)


def single() -> tuple[Layer, ...]:
    """One channel in, one out: what NumPy and SciPy users have."""
    return (
        *(conv(1, 1, 512, k) for k in (3, 5, 9, 15)),
        conv(1, 1, 2048, 3),
        conv(1, 1, 512, 9, padding=0),
        *(conv(1, 1, 64, k, rank=3) for k in (3, 5)),
    )


SETS = {
    s.name: s
    for s in (
        LayerSet("resnet50", "all convolutions of ResNet-50", resnet50, network=True),
        LayerSet("vgg16", "all convolutions of VGG-16", vgg16, network=True),
        LayerSet("mobilenetv2", "all convolutions of MobileNet-V2", mobilenetv2, network=True),
        LayerSet("resnet50-1x1", "the 1x1 layers of ResNet-50", lambda: pointwise(resnet50())),
        LayerSet("mobilenetv2-1x1", "the 1x1 layers of MobileNet-V2", lambda: pointwise(mobilenetv2())),
        LayerSet("direct", "k x k layers: 3x3, strided, 5x5, 1x7, dilated, patches", direct),
        LayerSet("winograd", "3x3 layers of stride 1 of ResNet-50 and VGG-16", winograd),
        LayerSet("winograd-odd", "3x3, stride 1: odd maps and channels, batches", winograd_odd),
        LayerSet("winograd-more", "5x5, 1x7, dilated, 3-D, 1-D: Winograd beyond 3x3", winograd_more),
        LayerSet("strided", "strides of 2, first layers", strided),
        LayerSet("conv3d", "C3D, a 3-D U-Net, I3D's first layer, dilated", conv3d),
        LayerSet("audio1d", "speech encoders, causal stacks, a vocoder, long filters", audio1d),
        LayerSet("depthwise", "depthwise: MobileNet-V2, 5x5, 7x7", depthwise),
        LayerSet("few-channels", "first and last layers", few_channels),
        LayerSet("grouped", "few channels a group: ResNeXt, ShuffleNet", grouped),
        LayerSet("sequences", "1-D: depthwise, FIR, dilated, strided", sequences),
        LayerSet("long-filters", "FIR filters of 33 to 1024 taps", long_filters),
        LayerSet("volumes", "3-D depthwise, a temporal layer", volumes),
        LayerSet("filters", "one image of 2048 x 2048, filters of 3x3 to 31x31", filters),
        LayerSet("lenet", "LeNet-5's two layers", lenet),
        LayerSet("single", "single-channel images and volumes", single),
    )
}
