# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of adaptive_avg_pool{N}d, global_avg_pool{N}d and global_max_pool{N}d, for N = 1, 2, 3."""

from __future__ import annotations

from ._core import grad_adaptive_avg_pool as _grad_adaptive_avg_pool
from ._core import grad_global_avg_pool as _grad_global_avg_pool
from ._core import grad_global_max_pool as _grad_global_max_pool
from ._types import ArrayOf, Float, Layout, NDArray, Shape


def adaptive_avg_pool2d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D adaptive average pooling: each element of grad_out is spread evenly over its window.

    .. math:: g[n, c, a, b] = \sum_{i: \, a \in R_i} \; \sum_{j: \, b \in S_j}
              \frac{\mathrm{grad\_out}[n, c, i, j]}{|R_i| |S_j|}

    with the rows R and columns S of the windows of :func:`npconv.adaptive_avg_pool2d`, whose output size is
    that of grad_out.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.adaptive_avg_pool2d`, of its shape.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the form and layout of grad_out.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of the shape of x and the dtype of grad_out, C-contiguous but for the batch
        stride. It may not overlap grad_out.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.adaptive_avg_pool2d(np.array([[6.0, 12.0]]), (2, 5))
    array([[1., 1., 3., 2., 2.],
           [1., 1., 3., 2., 2.]])
    """
    return _grad_adaptive_avg_pool(2, grad_out, input_shape, layout, out, num_threads)


def adaptive_avg_pool1d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D adaptive average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.adaptive_avg_pool1d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`adaptive_avg_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.adaptive_avg_pool1d(np.array([3.0, 6.0]), (5,))
    array([1., 1., 3., 2., 2.])
    """
    return _grad_adaptive_avg_pool(1, grad_out, input_shape, layout, out, num_threads)


def adaptive_avg_pool3d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D adaptive average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.adaptive_avg_pool3d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`adaptive_avg_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.adaptive_avg_pool3d(np.array([[[8.0, 16.0]]]), (2, 2, 4))[0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    return _grad_adaptive_avg_pool(3, grad_out, input_shape, layout, out, num_threads)


def global_avg_pool2d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D global average pooling: each element of grad_out is spread evenly over its plane.

    .. math:: g[n, c, a, b] = \frac{1}{h w} \, \mathrm{grad\_out}[n, c]

    with the height h and width w of x.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.global_avg_pool2d`, of its shape.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the layout of grad_out.
    keepdims : bool
        As in :func:`npconv.global_avg_pool2d`: False where grad_out is without the spatial axes.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of the shape of x and the dtype of grad_out, C-contiguous but for the batch
        stride. It may not overlap grad_out.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.global_avg_pool2d(np.array([6.0, 12.0]), (2, 2, 3), keepdims=False)
    array([[[1., 1., 1.],
            [1., 1., 1.]],
    <BLANKLINE>
           [[2., 2., 2.],
            [2., 2., 2.]]])
    """
    return _grad_global_avg_pool(2, grad_out, input_shape, keepdims, layout, out, num_threads)


def global_avg_pool1d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D global average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.global_avg_pool1d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the layout of grad_out.
    keepdims, layout, out, num_threads
        As in :func:`global_avg_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.global_avg_pool1d(np.array([[3.0], [6.0]]), (2, 3))
    array([[1., 1., 1.],
           [2., 2., 2.]])
    """
    return _grad_global_avg_pool(1, grad_out, input_shape, keepdims, layout, out, num_threads)


def global_avg_pool3d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D global average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.global_avg_pool3d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the layout of grad_out.
    keepdims, layout, out, num_threads
        As in :func:`global_avg_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.global_avg_pool3d(np.array([8.0]), (1, 2, 2, 2), keepdims=False)[0, 0]
    array([[1., 1.],
           [1., 1.]])
    """
    return _grad_global_avg_pool(3, grad_out, input_shape, keepdims, layout, out, num_threads)


def global_max_pool2d(
    grad_out: ArrayOf[Float],
    x: ArrayOf[Float],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 2-D global max pooling: each element of grad_out goes to the largest pixel of its plane.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.global_max_pool2d`, of its shape.
    x : array_like of the dtype of grad_out
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last.
    keepdims : bool
        As in :func:`npconv.global_max_pool2d`: False where grad_out is without the spatial axes.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of the shape of x and the dtype of grad_out, C-contiguous but for the batch
        stride. It may not overlap grad_out or x.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out. It is 0 but for one pixel of
        each plane.

    Raises
    ------
    TypeError
        An argument of the wrong type, a dtype that is neither float32 nor float64, or two that do not agree.
    ValueError
        Sizes that do not fit, unknown names, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    The pixel is the one that ``adaptive_max_pool2d(x, 1, return_indices=True)`` names: the last NaN, or else
    the first maximum.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> images = np.array([[[1.0, 7.0], [3.0, 7.0]], [[0.0, 2.0], [9.0, 4.0]]])
    >>> npconv.grad.global_max_pool2d(np.array([10.0, 20.0]), images, keepdims=False)
    array([[[ 0., 10.],
            [ 0.,  0.]],
    <BLANKLINE>
           [[ 0.,  0.],
            [20.,  0.]]])
    """
    return _grad_global_max_pool(2, grad_out, x, keepdims, layout, out, num_threads)


def global_max_pool1d(
    grad_out: ArrayOf[Float],
    x: ArrayOf[Float],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D global max pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.global_max_pool1d`, of its shape.
    x : array_like
        What was pooled, of the dtype of grad_out.
    keepdims, layout, out, num_threads
        As in :func:`global_max_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.global_max_pool1d(np.array([[10.0], [20.0]]), np.array([[1.0, 3.0], [5.0, 2.0]]))
    array([[ 0., 10.],
           [20.,  0.]])
    """
    return _grad_global_max_pool(1, grad_out, x, keepdims, layout, out, num_threads)


def global_max_pool3d(
    grad_out: ArrayOf[Float],
    x: ArrayOf[Float],
    *,
    keepdims: bool = True,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D global max pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.global_max_pool3d`, of its shape.
    x : array_like
        What was pooled, of the dtype of grad_out.
    keepdims, layout, out, num_threads
        As in :func:`global_max_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`global_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> volume = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> npconv.grad.global_max_pool3d(np.array([10.0]), volume, keepdims=False)[0, 1]
    array([[ 0.,  0.],
           [ 0., 10.]])
    """
    return _grad_global_max_pool(3, grad_out, x, keepdims, layout, out, num_threads)
