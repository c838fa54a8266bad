# SPDX-License-Identifier: BSD-3-Clause
"""adaptive_avg_pool{N}d and adaptive_max_pool{N}d: pooling to a given size, for N = 1, 2, 3."""

from __future__ import annotations

from typing import Literal, overload

from ._core import adaptive_avg_pool as _adaptive_avg_pool
from ._core import adaptive_max_pool as _adaptive_max_pool
from ._types import ArrayOf, Float, IndexArray, Layout, NDArray, Number, OutputSize


def adaptive_avg_pool2d(
    x: ArrayOf[Float],
    output_size: OutputSize,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Mean of as many windows as the result shall have pixels: 2-D adaptive average pooling.

    .. math:: y[n, c, i, j] = \frac{1}{|R_i| |S_j|} \sum_{u \in R_i} \sum_{v \in S_j} x[n, c, u, v]

    with the rows R and columns S of the windows; see the notes.

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    output_size : int or (int or None, int or None)
        Height and width of the result, in pixels; None: as many as x has.
    layout : {"channels_first", "channels_last"}
        Of x, out and the result: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may not
        overlap x.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        (batch, channels, *output_size), in the layout, form (batch, channels or neither) and dtype of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, an output size below 1, an `out` that cannot take the result;
        `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    The windows are PyTorch's (documentation of ``torch.nn.AdaptiveAvgPool2d``): of n pixels and m windows on
    an axis, window i begins at ``floor(i n / m)`` and ends before ``ceil((i + 1) n / m)``. They overlap
    where m does not divide n, and repeat pixels where m is larger.

    However long the windows are, a mean of float32 is within ``24 u mean(|x|)`` of the exact one, u the unit
    roundoff: few values are added in float32, the rest in float64.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.arange(15.0).reshape(3, 5)
    >>> npconv.adaptive_avg_pool2d(image, (1, 2))
    array([[6., 8.]])
    >>> npconv.adaptive_avg_pool2d(image, (None, 1))
    array([[ 2.],
           [ 7.],
           [12.]])
    """
    return _adaptive_avg_pool(2, x, output_size, layout, out, num_threads)


def adaptive_avg_pool1d(
    x: ArrayOf[Float],
    output_size: OutputSize,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Mean of as many windows as the result shall have samples: 1-D adaptive average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    output_size : int or (int or None,)
        Length of the result, in samples; None: as many as x has.
    layout, out, num_threads
        As in :func:`adaptive_avg_pool2d`.

    Returns
    -------
    ndarray
        (batch, channels, output length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.adaptive_avg_pool1d(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 2)
    array([2., 4.])
    """
    return _adaptive_avg_pool(1, x, output_size, layout, out, num_threads)


def adaptive_avg_pool3d(
    x: ArrayOf[Float],
    output_size: OutputSize,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Mean of as many windows as the result shall have voxels: 3-D adaptive average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    output_size : int or (int or None, int or None, int or None)
        Depth, height and width of the result, in voxels; None: as many as x has.
    layout, out, num_threads
        As in :func:`adaptive_avg_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, output depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> volume = np.arange(64.0).reshape(4, 4, 4)
    >>> npconv.adaptive_avg_pool3d(volume, (1, 2, None))
    array([[[26., 27., 28., 29.],
            [34., 35., 36., 37.]]])
    """
    return _adaptive_avg_pool(3, x, output_size, layout, out, num_threads)


@overload
def adaptive_max_pool2d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number]: ...  # fmt: skip
@overload
def adaptive_max_pool2d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: Literal[True],
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
@overload
def adaptive_max_pool2d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: bool, layout: Layout = "channels_first",
    out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
def adaptive_max_pool2d(
    x: ArrayOf[Number],
    output_size: OutputSize,
    *,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]:
    r"""Largest pixel of as many windows as the result shall have pixels: 2-D adaptive max pooling.

    .. math:: y[n, c, i, j] = \max_{u \in R_i, \, v \in S_j} x[n, c, u, v]

    with the rows R and columns S of the windows; see the notes.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    output_size : int or (int or None, int or None)
        Height and width of the result, in pixels; None: as many as x has.
    return_indices : bool
        Return also where the largest pixels are: row * width + column in the plane of x, in both layouts.
        :func:`npconv.grad.adaptive_max_pool2d` takes them.
    layout : {"channels_first", "channels_last"}
        Of x, out, the indices and the result: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may not
        overlap x.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        (batch, channels, *output_size), in the layout, form (batch, channels or neither) and dtype of x.
        With `return_indices` a tuple of it and of the indices, of the same shape.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is not one of the seven.
    ValueError
        Sizes that do not fit, unknown names, an output size below 1, an `out` that cannot take the result;
        `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    The windows are PyTorch's (documentation of ``torch.nn.AdaptiveMaxPool2d``): of n pixels and m windows on
    an axis, window i begins at ``floor(i n / m)`` and ends before ``ceil((i + 1) n / m)``. They overlap
    where m does not divide n, and repeat pixels where m is larger.
    Of NaNs and of equal maxima that one is taken which :func:`max_pool2d` takes.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0, 3.0], [3.0, 4.0, 1.0, 6.0, 2.0]])
    >>> npconv.adaptive_max_pool2d(image, (1, 2))
    array([[5., 6.]])
    >>> npconv.adaptive_max_pool2d(image, (1, 2), return_indices=True)[1]
    array([[1, 8]])
    """
    return _adaptive_max_pool(2, x, output_size, return_indices, layout, out, num_threads)


@overload
def adaptive_max_pool1d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number]: ...  # fmt: skip
@overload
def adaptive_max_pool1d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: Literal[True],
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
@overload
def adaptive_max_pool1d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: bool, layout: Layout = "channels_first",
    out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
def adaptive_max_pool1d(
    x: ArrayOf[Number],
    output_size: OutputSize,
    *,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]:
    """Largest sample of as many windows as the result shall have samples: 1-D adaptive max pooling.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    output_size : int or (int or None,)
        Length of the result, in samples; None: as many as x has.
    return_indices, layout, out, num_threads
        As in :func:`adaptive_max_pool2d`.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        (batch, channels, output length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.adaptive_max_pool1d(np.array([1, 4, 2, 8, 5], np.uint8), 2)
    array([4, 8], dtype=uint8)
    """
    return _adaptive_max_pool(1, x, output_size, return_indices, layout, out, num_threads)


@overload
def adaptive_max_pool3d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number]: ...  # fmt: skip
@overload
def adaptive_max_pool3d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: Literal[True],
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
@overload
def adaptive_max_pool3d(
    x: ArrayOf[Number], output_size: OutputSize, *, return_indices: bool, layout: Layout = "channels_first",
    out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
def adaptive_max_pool3d(
    x: ArrayOf[Number],
    output_size: OutputSize,
    *,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]:
    """Largest voxel of as many windows as the result shall have voxels: 3-D adaptive max pooling.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    output_size : int or (int or None, int or None, int or None)
        Depth, height and width of the result, in voxels; None: as many as x has.
    return_indices, layout, out, num_threads
        As in :func:`adaptive_max_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        (batch, channels, output depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> volume = np.arange(64.0).reshape(4, 4, 4)
    >>> npconv.adaptive_max_pool3d(volume, (1, 2, None))
    array([[[52., 53., 54., 55.],
            [60., 61., 62., 63.]]])
    """
    return _adaptive_max_pool(3, x, output_size, return_indices, layout, out, num_threads)
