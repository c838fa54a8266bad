# SPDX-License-Identifier: BSD-3-Clause
"""The bench of separable convolutions, and the layer sets of direct kernels."""

from __future__ import annotations

import sys
from pathlib import Path

import npconv
import numpy as np
import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import layer_sets  # noqa: E402
import separable  # noqa: E402
from layers import conv  # noqa: E402


def test_the_pairs_are_those_of_mobilenetv2() -> None:
    pairs = separable.pairs()
    assert len(pairs) == 12
    assert all(layer.depthwise and layer.kernel == (3, 3) for layer, _ in pairs)
    assert (conv(32, 32, 112, 3, groups=32), 16) in pairs
    assert (conv(960, 960, 7, 3, groups=960), 320) in pairs


@pytest.mark.parametrize("layout", separable.LAYOUTS)
def test_both_candidates_compute_the_same(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    made = separable.random
    monkeypatch.setattr(separable, "random", lambda *a: results.append(made(*a)) or results[-1])
    calls = separable.calls_of(conv(20, 20, 14, 3, groups=20), 12, layout, 1)
    y = results[2]
    calls["separable"]()
    one = y.copy()
    y.fill(np.nan)
    calls["two plans"]()
    np.testing.assert_allclose(one, y, rtol=1e-4, atol=1e-5)


def test_sets_of_direct_kernels() -> None:
    made = {name: layer_sets.SETS[name].make() for name in layer_sets.SETS}
    assert sum(layer.depthwise for layer in made["depthwise"]) == len(made["depthwise"]) == 26
    assert all(min(layer.c, layer.o) <= 4 for layer in made["few-channels"])
    assert all(layer.c == layer.o == 1 for name in ("long-filters", "filters") for layer in made[name])
    for layer in made["sequences"] + made["grouped"] + made["volumes"]:
        plan = npconv.plan_conv(
            layer.x_shape("channels_first"), np.zeros(layer.weight_shape, np.float32), **layer.arguments()
        )
        assert plan.output_shape == layer.y_shape("channels_first")
