# SPDX-License-Identifier: BSD-3-Clause
"""The transforms of Winograd: y = at @ ((g @ w) * (bt @ x)) is the correlation of x and w, for every tile.

In exact rational arithmetic on the doubles that the extension has, so that all there is left is the rounding
of each entry: none where the points are 0, 1, -1 and infinity, F(2, 3).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from npconv import _core

SETS = {
    1: (math.inf,),
    4: (0, 1, -1, math.inf),
    6: (0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2), math.inf),
    7: (0.3, -0.3, 0.8, -0.8, 1.8, -1.8, math.inf),
    8: (0, 0.5, -0.5, 2, -2, 1, -1, math.inf),
    9: (0.2, -0.2, 0.7, -0.7, 1.1, -1.1, 2.2, -2.2, math.inf),
}
WHOLE = [
    (1, 1),
    (4, 3),
    (6, 2),
    (6, 3),
    (6, 4),
    (6, 5),
    (7, 4),
    (7, 5),
    (8, 3),
    (8, 5),
    (9, 5),
    (9, 6),
    (9, 7),
]  # points and taps
# Points of the set, taps, outputs.
TILES = [(points, taps, m) for points, taps in WHOLE for m in range(1, points - taps + 2)]
EXACT = (1, 4)  # sets whose matrices are not rounded
every_tile = pytest.mark.parametrize(("points", "taps", "m"), TILES)


def exact(matrix: list[list[float]]) -> list[list[Fraction]]:
    return [[Fraction(v) for v in row] for row in matrix]


def matrices(points: int, taps: int, m: int) -> tuple[Any, Any, Any]:
    """at, g and bt of a tile as fractions."""
    found = _core._winograd_matrices(points, taps, m)
    return exact(found["at"]), exact(found["g"]), exact(found["bt"])


@every_tile
def test_the_matrices_have_the_shapes_of_a_tile_of_m_outputs(points: int, taps: int, m: int) -> None:
    found = _core._winograd_matrices(points, taps, m)
    assert set(found) == {"points", "at", "g", "bt"}
    n = m + taps - 1
    assert len(found["points"]) == n
    assert np.array(found["at"]).shape == (m, n)
    assert np.array(found["g"]).shape == (n, taps)
    assert np.array(found["bt"]).shape == (n, n)


@every_tile
def test_the_identity_holds(points: int, taps: int, m: int) -> None:
    """Output i takes w[j] x[l] once where l = i + j, and never otherwise."""
    at, g, bt = matrices(points, taps, m)
    n = m + taps - 1
    for i in range(m):
        for j in range(taps):
            for x in range(n):
                terms = [at[i][k] * g[k][j] * bt[k][x] for k in range(n)]
                # Three rounded factors of a relative error of 2^-53 each.
                allowed = 0 if points in EXACT else Fraction(301, 100) * sum(map(abs, terms)) / 2**53
                assert abs(sum(terms) - (x == i + j)) <= allowed, (i, j, x)


@every_tile
def test_the_points_are_infinity_and_the_first_of_the_others(points: int, taps: int, m: int) -> None:
    """Whole pairs where that may be: 0 is left out, if it is there, of an odd number."""
    found = _core._winograd_matrices(points, taps, m)["points"]
    finite = SETS[points][:-1]
    n = m + taps - 1
    if finite and finite[0] == 0 and n % 2 == 1:
        finite = finite[1:]
    assert found == pytest.approx([*finite[: n - 1], math.inf], rel=1e-15)


@every_tile
def test_smaller_tiles_take_their_weights_from_those_of_the_whole_tile(
    points: int, taps: int, m: int
) -> None:
    """The same rows to the last bit: a tile's transform of the weights is a part of what is packed."""
    whole, small = (_core._winograd_matrices(points, taps, n) for n in (points - taps + 1, m))
    for point, row in zip(small["points"], small["g"], strict=True):
        assert row == whole["g"][whole["points"].index(point)]


@every_tile
def test_rows_of_weights_and_columns_of_outputs_are_powers_of_their_point(
    points: int, taps: int, m: int
) -> None:
    found = _core._winograd_matrices(points, taps, m)
    at, g = np.array(found["at"]), np.array(found["g"])
    for k, point in enumerate(found["points"]):
        of_taps = [*[0] * (taps - 1), 1] if point == math.inf else [point**j for j in range(taps)]
        of_outputs = [*[0] * (m - 1), 1] if point == math.inf else [point**i for i in range(m)]
        for values, powers in ((g[k], of_taps), (at[:, k], of_outputs)):
            scale = values[-1] if point == math.inf else values[0]
            assert scale != 0
            np.testing.assert_allclose(values, scale * np.array(powers), rtol=1e-15, atol=0)


def test_the_matrices_of_f2_are_halves_and_whole_numbers() -> None:
    """So that small integers leave it nothing to round."""
    for m in (1, 2):
        for matrix in matrices(4, 3, m):
            assert all((2 * v).denominator == 1 for row in matrix for v in row)


def test_one_point_and_one_tap_are_no_transform() -> None:
    assert matrices(1, 1, 1) == ([[1]], [[1]], [[1]])


@pytest.mark.parametrize(
    ("points", "taps", "m"),
    [(1, 1, 2), (1, 1, 0), (4, 3, 3), (6, 4, 4), (6, 6, 1), (5, 3, 1), (8, 5, 5), (8, 3, -1)],
)
def test_there_are_no_other_tiles(points: int, taps: int, m: int) -> None:
    with pytest.raises(ValueError, match="no such tile"):
        _core._winograd_matrices(points, taps, m)


# ---- the bound ---------------------------------------------------------------------------------------------

NONE = (1, 1)


def test_the_bound_grows_with_the_products_and_with_the_tile() -> None:
    """Up to what is always summed at a time: of more, blocks are shorter where the error asks for it."""
    few, many = (1, 2, 16, 31, 32), (255, 256, 1024, 2048, 100_000)
    for tiles in ([(4, 3), (6, 3), (8, 3)], [(7, 5), (8, 5)]):
        for along in (lambda a: (NONE, a, a), lambda a: (NONE, NONE, a), lambda a: (NONE, a, NONE)):
            bounds = np.array([[_core._winograd_bound(along(a), n, 16) for n in few] for a in tiles])
            assert (bounds >= 1).all()
            assert (np.diff(bounds, axis=1) > 0).all()
            assert (np.diff(bounds, axis=0) > 0).all()
            for n in many:
                assert all(
                    bounds[i, -1] < _core._winograd_bound(along(a), n, 16) for i, a in enumerate(tiles)
                )


@pytest.mark.parametrize("axis", WHOLE[1:])
def test_the_bound_is_that_of_both_axes(axis: tuple[int, int]) -> None:
    """Whichever of them they are; and much larger than that of one."""
    other = (6, 3)
    assert _core._winograd_bound((NONE, axis, other), 64, 16) == pytest.approx(
        _core._winograd_bound((NONE, other, axis), 64, 16)
    )
    one, two = (_core._winograd_bound((NONE, a, axis), 1, 16) for a in (NONE, axis))
    assert two > 2 * one
