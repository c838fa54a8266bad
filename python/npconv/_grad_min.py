# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of min_pool{N}d: along the indices, as those of maxima, for N = 1, 2, 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from ._core import grad_max_pool as _grad_max_pool
from ._types import ArrayLike, ArrayOf, Float, Layout, NDArray


def min_pool2d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Sequence[SupportsIndex],
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D min pooling: each element of grad_out goes to the pixel that was the smallest.

    .. math:: g[n, c, p] = \sum_{i, j: \; \mathrm{indices}[n, c, i, j] = p} \mathrm{grad\_out}[n, c, i, j]

    with p = row * width + column.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.min_pool2d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.min_pool2d` returns them. -1, a window without a pixel,
        gets nothing.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the form and layout of grad_out.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may overlap
        no other argument. Given, it spares large results the time that new memory takes.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, a dtype of grad_out that is neither float32 nor float64, indices that
        are not int64.
    ValueError
        Sizes that do not fit, unknown names, an index outside the plane.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The elements of a plane are added in row-major order of grad_out. Of equal minima the pixel that
    :func:`npconv.min_pool2d` names gets it all, as in PyTorch.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 6.0]])
    >>> y, indices = npconv.min_pool2d(image, 2, return_indices=True)
    >>> npconv.grad.min_pool2d(np.array([[10.0, 20.0]]), indices, image.shape)
    array([[10.,  0.,  0., 20.],
           [ 0.,  0.,  0.,  0.]])
    """
    return _grad_max_pool(2, grad_out, indices, input_shape, layout, out, num_threads)


def min_pool1d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Sequence[SupportsIndex],
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D min pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.min_pool1d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.min_pool1d` returns them.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`min_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`min_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.min_pool1d(np.array([1.0, 4.0, 2.0]), 2, stride=1, return_indices=True)
    >>> npconv.grad.min_pool1d(np.array([10.0, 20.0]), indices, (3,))
    array([10.,  0., 20.])
    """
    return _grad_max_pool(1, grad_out, indices, input_shape, layout, out, num_threads)


def min_pool3d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Sequence[SupportsIndex],
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D min pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.min_pool3d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.min_pool3d` returns them.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`min_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`min_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.min_pool3d(np.arange(8.0).reshape(2, 2, 2), (1, 2, 2), return_indices=True)
    >>> npconv.grad.min_pool3d(np.array([[[10.0]], [[20.0]]]), indices, (2, 2, 2))
    array([[[10.,  0.],
            [ 0.,  0.]],
    <BLANKLINE>
           [[20.,  0.],
            [ 0.,  0.]]])
    """
    return _grad_max_pool(3, grad_out, indices, input_shape, layout, out, num_threads)
