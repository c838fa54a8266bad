# SPDX-License-Identifier: BSD-3-Clause
"""The bench of transposed convolutions and gradients, without its peers: layers, and what npconv computes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from adjoint_candidates import AdjointProblem, ours, reference  # noqa: E402
from adjoint_layers import ADJOINT_SETS, INPUT, TRANSPOSED, WEIGHT, AdjointLayer, up  # noqa: E402
from figures import relative_error  # noqa: E402
from layers import conv  # noqa: E402


def test_the_transposed_layers_are_those_of_the_networks() -> None:
    layers = {layer.name: layer for layer in ADJOINT_SETS["transposed"].make()}
    assert len(layers) == 9
    dcgan = layers["4x4 512->256 at 8 s2"]
    assert dcgan.x_shape("channels_first") == (1, 512, 8, 8)
    assert dcgan.y_shape("channels_first") == (1, 256, 16, 16)
    assert dcgan.output_padding == (0, 0)
    assert layers["3x3 128->64 at 28 s2 op1"].y_shape("channels_last") == (1, 56, 56, 64)
    assert layers["16x16 21->21 at 34 s8"].y_shape("channels_first") == (1, 21, 280, 280)
    assert layers["k16 512->256 at 200 s8"].flops == 2 * 512 * 256 * 16 * 200


def test_gradients_are_of_the_layers_of_their_sets() -> None:
    for name, layers in ((n, s.make()) for n, s in ADJOINT_SETS.items() if n != "transposed"):
        assert {layer.batch for layer in layers} == {4}
        assert len({layer.name for layer in layers}) == len(layers), name


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize(
    "layer",
    [
        up(6, 5, 7, 3, 2, 1, 1),
        up(6, 5, 9, 4, 2, 1, rank=1),
        AdjointLayer(conv(6, 8, 9, 3, stride=2), INPUT),
        AdjointLayer(conv(6, 8, 9, 3, groups=2), WEIGHT),
    ],
    ids=lambda layer: f"{layer.what} {layer.name}",
)
def test_npconv_computes_what_the_reference_does(layer: AdjointLayer, layout: str) -> None:
    problem = AdjointProblem.of(layer, layout, 1)
    candidate = ours(problem)
    candidate.call()
    assert candidate.output().shape == layer.y_shape(layout)
    assert relative_error(candidate.output(), reference(problem)) < 1e-6
    assert layer.what in (TRANSPOSED, INPUT, WEIGHT)
