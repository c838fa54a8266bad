# SPDX-License-Identifier: BSD-3-Clause
"""What the README says under "The same elsewhere": the rows of NumPy and SciPy, and what stands below.

The rows hold for every kernel, odd or even, wider than the image or not, unless they say otherwise.
"""

from __future__ import annotations

import re
from typing import Any

import npconv
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from pool_cases import DTYPES, FLOATS, INTEGERS
from test_codebase import ROOT

ROWS = re.findall(
    r"^\| `(-?\w.*?)` \| (?:SciPy|NumPy).*?: `((?:scipy|np)\..*?)`",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
KERNELS = [(3, 5), (4, 2), (1, 6), (7, 1), (10, 13)]
EXTREMES = ("max_pool", "min_pool")


def both(row: tuple[str, str], dtype: str, kernel: tuple[int, ...]) -> tuple[Any, Any]:
    """The two sides of a row, on data of the dtype: floats, or any integers."""
    rng = np.random.default_rng(0)

    def data(*shape: int) -> Any:
        if dtype in FLOATS:
            return rng.standard_normal(shape).astype(dtype)
        limits: Any = np.iinfo(dtype)
        a = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        return a >> 12 if dtype == "int64" else a

    names: dict[str, Any] = {name: getattr(npconv, name) for name in npconv.__all__}
    names |= {"np": np, "scipy": scipy, "x": data(30), "w": data(7)}
    names |= {"image": data(20, 21), "volume": data(8, 9, 7)}
    names["kernel"] = data(*(kernel if "volume" not in row[0] else (*kernel, 3)))
    return eval(row[0], names), eval(row[1], names)


def test_there_are_rows() -> None:
    assert len(ROWS) >= 18
    for name in (*EXTREMES, "correlate", "convolve", "uniform_filter", "np.convolve", "symmetric"):
        assert any(name in "".join(row) for row in ROWS), name


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("row", ROWS, ids=[ours for ours, _ in ROWS])
def test_rows_of_numpy_and_scipy(row: tuple[str, str], dtype: str) -> None:
    tolerance = 1e-12 if dtype == "float64" else 2e-4
    for kernel in KERNELS if "kernel" in row[0] else KERNELS[:1]:
        ours, theirs = both(row, dtype, kernel)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=str(kernel))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_rows_of_maxima_and_minima_hold_for_integers(dtype: str) -> None:
    rows = [row for row in ROWS if row[0].startswith(EXTREMES)]
    assert len(rows) == 3
    for row in rows:
        ours, theirs = both(row, dtype, KERNELS[0])
        np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_borders_of_scipy_that_never_add_a_larger_or_smaller_value(dtype: str) -> None:
    rng = np.random.default_rng(1)
    for size in ((1, 1), (2, 9), (11, 4), (30, 31)):
        image = rng.integers(0, 100, size).astype(dtype)
        for kernel in ((1, 2), (3, 3), (4, 5), (8, 2), (23, 24)):
            how: dict[str, Any] = {"stride": 1, "padding": "same_lower"}
            for mode in ("reflect", "nearest"):
                most = scipy.ndimage.maximum_filter(image, kernel, mode=mode)
                np.testing.assert_array_equal(npconv.max_pool2d(image, kernel, **how), most, strict=True)
                least = scipy.ndimage.minimum_filter(image, kernel, mode=mode)
                np.testing.assert_array_equal(npconv.min_pool2d(image, kernel, **how), least, strict=True)


def test_reflect_of_scipy_is_symmetric_and_not_reflect() -> None:
    """d c b a | a b c d, against d c b | a b c d."""
    x, w = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 0.0])
    theirs = scipy.ndimage.correlate(x, w, mode="reflect")
    assert theirs.tolist() == [1, 1, 2, 3]
    assert npconv.conv1d(np.pad(x, 1, mode="symmetric"), w).tolist() == theirs.tolist()
    ours = npconv.conv1d(x, w, padding="same", padding_mode="reflect")
    assert ours.tolist() == scipy.ndimage.correlate(x, w, mode="mirror").tolist() == [2, 1, 2, 3]


def test_what_tells_that_weights_of_tensorflow_were_not_transposed() -> None:
    x, w = np.ones((1, 8, 20, 3), np.float32), np.ones((3, 3, 3, 16), np.float32)
    how: dict[str, Any] = {"layout": "channels_last", "padding": "same"}
    right = w.transpose(3, 2, 0, 1)
    assert npconv.conv2d(x, right, **how).shape[-1] == w.shape[-1]
    assert npconv.plan_conv(x.shape, right, **how).output_shape[-1] == w.shape[-1]
    assert npconv.conv2d(x, w, **how).shape[-1] == 3
    assert npconv.plan_conv(x.shape, w, **how).output_shape[-1] == 3
    for channels, kernel in ((16, 3), (3, 5), (1, 3)):  # other shapes do not fit
        images = x[..., :1].repeat(channels, -1)
        weights = np.ones((kernel, kernel, channels, 8), np.float32)
        with pytest.raises(ValueError, match="channels"):
            npconv.conv2d(images, weights, **how)
