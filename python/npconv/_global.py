# SPDX-License-Identifier: BSD-3-Clause
"""global_avg_pool{N}d and global_max_pool{N}d: pooling over whole planes, for N = 1, 2, 3."""

from __future__ import annotations

from ._core import global_avg_pool as _global_avg_pool
from ._core import global_max_pool as _global_max_pool
from ._types import ArrayOf, Float, Layout, NDArray, Number


def global_avg_pool2d(
    x: ArrayOf[Float],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Mean of each plane: 2-D global average pooling.

    .. math:: y[n, c] = \frac{1}{h w} \sum_{i, j} x[n, c, i, j]

    with the height h and width w of x.

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    keepdims : bool
        True: the spatial axes stay, with size 1. False: they go, so that (batch, channels) is left.
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
        (batch, channels, 1, 1), or without `keepdims` (batch, channels), in the layout, form (batch,
        channels or neither) and dtype of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, a plane without pixels, an `out` that cannot take the result;
        `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    However many values there are, a mean of float32 is within ``8 u mean(|x|)`` of the exact one, u the unit
    roundoff: at most eight values are added in float32, the rest in float64. The
    pooling is that of M. Lin, Q. Chen and S. Yan, "Network in network", ICLR 2014, section 3.2, and of
    ONNX's operator GlobalAveragePool.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> images = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> npconv.global_avg_pool2d(images).shape
    (1, 2, 1, 1)
    >>> npconv.global_avg_pool2d(images, keepdims=False)
    array([[2.5, 8.5]])
    """
    return _global_avg_pool(2, x, keepdims, layout, out, num_threads)


def global_avg_pool1d(
    x: ArrayOf[Float],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Mean of each signal: 1-D global average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    keepdims, layout, out, num_threads
        As in :func:`global_avg_pool2d`.

    Returns
    -------
    ndarray
        (batch, channels, 1), or without `keepdims` (batch, channels), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.global_avg_pool1d(np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]))
    array([[3.],
           [1.]])
    """
    return _global_avg_pool(1, x, keepdims, layout, out, num_threads)


def global_avg_pool3d(
    x: ArrayOf[Float],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Mean of each volume: 3-D global average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    keepdims, layout, out, num_threads
        As in :func:`global_avg_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, 1, 1, 1), or without `keepdims` (batch, channels), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.global_avg_pool3d(np.arange(16.0).reshape(2, 2, 2, 2), keepdims=False)
    array([ 3.5, 11.5])
    """
    return _global_avg_pool(3, x, keepdims, layout, out, num_threads)


def global_max_pool2d(
    x: ArrayOf[Number],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number]:
    r"""Largest pixel of each plane: 2-D global max pooling.

    .. math:: y[n, c] = \max_{i, j} \; x[n, c, i, j]

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    keepdims : bool
        True: the spatial axes stay, with size 1. False: they go, so that (batch, channels) is left.
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
        (batch, channels, 1, 1), or without `keepdims` (batch, channels), in the layout, form (batch,
        channels or neither) and dtype of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is not one of the seven.
    ValueError
        Sizes that do not fit, unknown names, a plane without pixels, an `out` that cannot take the result;
        `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    ONNX's operator GlobalMaxPool. Of NaNs and of equal maxima that one is taken which :func:`max_pool2d`
    takes; ``adaptive_max_pool2d(x, 1, return_indices=True)`` tells where it is.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> images = np.arange(12, dtype=np.int8).reshape(1, 2, 2, 3)
    >>> npconv.global_max_pool2d(images, keepdims=False)
    array([[ 5, 11]], dtype=int8)
    """
    return _global_max_pool(2, x, keepdims, layout, out, num_threads)


def global_max_pool1d(
    x: ArrayOf[Number],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number]:
    """Largest sample of each signal: 1-D global max pooling.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    keepdims, layout, out, num_threads
        As in :func:`global_max_pool2d`.

    Returns
    -------
    ndarray
        (batch, channels, 1), or without `keepdims` (batch, channels), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.global_max_pool1d(np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]))
    array([[6.],
           [3.]])
    """
    return _global_max_pool(1, x, keepdims, layout, out, num_threads)


def global_max_pool3d(
    x: ArrayOf[Number],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number]:
    """Largest voxel of each volume: 3-D global max pooling.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    keepdims, layout, out, num_threads
        As in :func:`global_max_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, 1, 1, 1), or without `keepdims` (batch, channels), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.global_max_pool3d(np.arange(16.0).reshape(2, 2, 2, 2), keepdims=False)
    array([ 7., 15.])
    """
    return _global_max_pool(3, x, keepdims, layout, out, num_threads)
