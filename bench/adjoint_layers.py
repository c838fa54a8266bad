# SPDX-License-Identifier: BSD-3-Clause
"""Transposed convolutions and gradients, and the named sets that `run.py adjoint --only` takes.

Each is described by the convolution whose adjoint, or gradient, it is: a transposed convolution has that
one's output for its input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from layer_sets import SETS
from layers import Ints, Layer, kernel_name, short, size_name

TRANSPOSED, INPUT, WEIGHT = "transposed", "input", "weight"


@dataclass(frozen=True)
class AdjointLayer:
    forward: Layer
    what: str  # TRANSPOSED, or the gradient in the INPUT or in the WEIGHTs

    @property
    def rank(self) -> int:
        return self.forward.rank

    @property
    def batch(self) -> int:
        return self.forward.batch

    @property
    def count(self) -> int:
        return self.forward.count

    @property
    def flops(self) -> int:
        return self.forward.flops

    @property
    def output_padding(self) -> Ints:
        """Of a transposed convolution: what its result is longer than its input and kernel make it."""
        f = self.forward
        axes = zip(f.size, f.output_size, f.kernel, f.stride, f.padding, f.dilation, strict=True)
        return tuple(n - ((m - 1) * s - sum(p) + d * (k - 1) + 1) for n, m, k, s, p, d in axes)

    def x_shape(self, layout: str) -> Ints:
        """Of what comes in: x of a transposed convolution, the gradient of the result of the others."""
        return self.forward.y_shape(layout)

    def y_shape(self, layout: str) -> Ints:
        return self.forward.weight_shape if self.what == WEIGHT else self.forward.x_shape(layout)

    @property
    def name(self) -> str:
        if self.what != TRANSPOSED:
            return self.forward.name
        f = self.forward
        parts = [kernel_name(f.kernel), f"{f.o}->{f.c}", "at", size_name(f.output_size)]
        parts += [f"s{short(f.stride)}"] if set(f.stride) != {1} else []
        parts += [f"g{f.groups}"] if f.groups > 1 else []
        parts += [f"op{short(self.output_padding)}"] if any(self.output_padding) else []
        return " ".join(parts)


@dataclass(frozen=True)
class AdjointSet:
    name: str
    about: str
    make: Callable[[], tuple[AdjointLayer, ...]]
    network: bool = False
    layouts: tuple[str, ...] = ("channels_first", "channels_last")


def up(
    c: int, o: int, size: int, kernel: int, stride: int, padding: int, more: int = 0, rank: int = 2
) -> AdjointLayer:
    """A transposed convolution of c to o channels on maps of this size."""
    result = (size - 1) * stride - 2 * padding + kernel + more
    ones = (1,) * rank
    forward = Layer(
        o, c, (result,) * rank, (kernel,) * rank, (stride,) * rank, ((padding, padding),) * rank, ones
    )
    return AdjointLayer(forward, TRANSPOSED)


def transposed() -> tuple[AdjointLayer, ...]:
    """DCGAN, U-Net in two and three dimensions, a decoder, FCN, a vocoder, one without a stride."""
    return (
        up(512, 256, 8, 4, 2, 1),
        up(128, 64, 32, 4, 2, 1),
        up(64, 3, 32, 4, 2, 1),
        up(128, 64, 64, 2, 2, 0),
        up(64, 32, 16, 2, 2, 0, rank=3),
        up(128, 64, 28, 3, 2, 1, 1),
        up(21, 21, 34, 16, 8, 0),
        up(512, 256, 200, 16, 8, 4, rank=1),
        up(128, 128, 28, 3, 1, 1),
    )


BATCH = 4


def gradients(of: str, what: str) -> Callable[[], tuple[AdjointLayer, ...]]:
    return lambda: tuple(AdjointLayer(replace(layer, batch=BATCH), what) for layer in SETS[of].make())


def _sets() -> dict[str, AdjointSet]:
    made = [AdjointSet("transposed", "transposed convolutions of known networks", transposed)]
    for what in (INPUT, WEIGHT):
        for of in ("resnet50", "mobilenetv2", "conv3d", "depthwise", "grouped"):
            about = f"gradients of {of} in the {what}{'s' if what == WEIGHT else ''}, batch {BATCH}"
            made.append(AdjointSet(f"{of}-{what}-grad", about, gradients(of, what), SETS[of].network))
    return {s.name: s for s in made}


ADJOINT_SETS = _sets()
