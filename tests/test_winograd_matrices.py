# SPDX-License-Identifier: BSD-3-Clause
"""The transforms of Winograd: y = at @ ((g @ w) * (bt @ x)) is the correlation of x and w, for every tile.

In exact rational arithmetic on the doubles that the extension has, so that all there is left is the rounding
of each entry: none where the points are rational with powers of 2 alone, F(2, 3).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from npconv import _core
from winograd_cases import ALGORITHMS

POINTS = {
    2: (0, 1, -1, math.inf),
    4: (0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2), math.inf),
    6: (0, 1, -1, 0.5, -0.5, 2, -2, math.inf),
}
TILES = [(big, m) for big in ALGORITHMS.values() for m in range(1, big + 1)]
TAPS = 3


def exact(matrix: list[list[float]]) -> list[list[Fraction]]:
    return [[Fraction(v) for v in row] for row in matrix]


def matrices(big: int, m: int) -> tuple[Any, Any, Any]:
    """at, g and bt of a tile as fractions."""
    found = _core._winograd_matrices(big, m)
    return exact(found["at"]), exact(found["g"]), exact(found["bt"])


@pytest.mark.parametrize(("big", "m"), TILES)
def test_the_matrices_have_the_shapes_of_a_tile_of_m_outputs(big: int, m: int) -> None:
    found = _core._winograd_matrices(big, m)
    assert set(found) == {"points", "at", "g", "bt"}
    n = m + TAPS - 1
    assert len(found["points"]) == n
    assert np.array(found["at"]).shape == (m, n)
    assert np.array(found["g"]).shape == (n, TAPS)
    assert np.array(found["bt"]).shape == (n, n)


@pytest.mark.parametrize(("big", "m"), TILES)
def test_the_identity_holds(big: int, m: int) -> None:
    """Output i takes w[j] x[l] once where l = i + j, and never otherwise."""
    at, g, bt = matrices(big, m)
    n = m + TAPS - 1
    for i in range(m):
        for j in range(TAPS):
            for x in range(n):
                terms = [at[i][k] * g[k][j] * bt[k][x] for k in range(n)]
                # Three rounded factors of a relative error of 2^-53 each.
                allowed = 0 if big == 2 else Fraction(301, 100) * sum(map(abs, terms)) / 2**53
                assert abs(sum(terms) - (x == i + j)) <= allowed, (i, j, x)


@pytest.mark.parametrize(("big", "m"), TILES)
def test_the_points_are_those_of_the_whole_tile_or_some_of_them(big: int, m: int) -> None:
    points = _core._winograd_matrices(big, m)["points"]
    assert len(set(points)) == len(points)
    assert points[-1] == math.inf
    for point in points:
        assert any(math.isclose(point, p, rel_tol=1e-15) for p in POINTS[big]), point
    if m == big:
        assert sorted(points) == pytest.approx(sorted(POINTS[big]), rel=1e-15)


@pytest.mark.parametrize(("big", "m"), TILES)
def test_smaller_tiles_take_their_weights_from_those_of_the_whole_tile(big: int, m: int) -> None:
    """The same rows to the last bit: a tile's transform of the weights is a part of what is packed."""
    whole, small = (_core._winograd_matrices(big, tile) for tile in (big, m))
    for point, row in zip(small["points"], small["g"], strict=True):
        assert row == whole["g"][whole["points"].index(point)]


@pytest.mark.parametrize(("big", "m"), TILES)
def test_rows_of_weights_and_columns_of_outputs_are_powers_of_their_point(big: int, m: int) -> None:
    found = _core._winograd_matrices(big, m)
    at, g = np.array(found["at"]), np.array(found["g"])
    for k, point in enumerate(found["points"]):
        taps = [0, 0, 1] if point == math.inf else [point**j for j in range(TAPS)]
        outputs = [0] * (m - 1) + [1] if point == math.inf else [point**i for i in range(m)]
        for values, powers in ((g[k], taps), (at[:, k], outputs)):
            scale = values[-1] if point == math.inf else values[0]
            assert scale != 0
            np.testing.assert_allclose(values, scale * np.array(powers), rtol=1e-15, atol=0)


def test_the_matrices_of_f2_are_halves_and_whole_numbers() -> None:
    """So that small integers leave it nothing to round."""
    for m in (1, 2):
        for matrix in matrices(2, m):
            assert all((2 * v).denominator == 1 for row in matrix for v in row)


def test_the_bound_grows_with_the_channels_and_with_the_tile() -> None:
    channels = (1, 2, 16, 255, 256, 1024, 2048)
    bounds = np.array([[_core._winograd_bound(big, n) for n in channels] for big in ALGORITHMS.values()])
    assert np.isfinite(bounds).all()
    assert (bounds >= 1).all()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (np.diff(bounds, axis=0) > 0).all()
