# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of avg_pool{N}d and lp_pool{N}d, for N = 1, 2, 3."""

from __future__ import annotations

from ._core import grad_avg_pool as _grad_avg_pool
from ._core import grad_lp_pool as _grad_lp_pool
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding, Shape


def avg_pool2d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D average pooling: each element of grad_out is spread evenly over its window.

    .. math:: g[n, c, a, b] = \sum_{s i + d u - p = a, \; s j + d v - p = b}
              \frac{\mathrm{grad\_out}[n, c, i, j]}{m[i, j]}

    with stride s, dilation d, padding p and the count m of :func:`npconv.avg_pool2d`.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.avg_pool2d`, of its shape.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the form and layout of grad_out.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override
        The arguments of :func:`npconv.avg_pool2d`.
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
    >>> npconv.grad.avg_pool2d(np.array([[4.0, 8.0]]), (2, 4), 2)
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    >>> npconv.grad.avg_pool2d(np.array([[4.0, 8.0, 12.0]]), (2, 4), 2, stride=1)
    array([[1., 3., 5., 3.],
           [1., 3., 5., 3.]])
    """
    return _grad_avg_pool(
        2, grad_out, input_shape, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad,
        divisor_override, layout, out, num_threads,
    )  # fmt: skip


def avg_pool1d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.avg_pool1d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override
        The arguments of :func:`npconv.avg_pool1d`.
    layout, out, num_threads
        As in :func:`avg_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.avg_pool1d(np.array([2.0, 4.0]), (5,), 2)
    array([1., 1., 2., 2., 0.])
    """
    return _grad_avg_pool(
        1, grad_out, input_shape, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad,
        divisor_override, layout, out, num_threads,
    )  # fmt: skip


def avg_pool3d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.avg_pool3d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override
        The arguments of :func:`npconv.avg_pool3d`.
    layout, out, num_threads
        As in :func:`avg_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.avg_pool3d(np.array([[[8.0]]]), (2, 2, 2), 2)[0]
    array([[1., 1.],
           [1., 1.]])
    """
    return _grad_avg_pool(
        3, grad_out, input_shape, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad,
        divisor_override, layout, out, num_threads,
    )  # fmt: skip


def lp_pool2d(
    grad_out: ArrayOf[Float],
    x: ArrayOf[Float],
    norm_type: float,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D power-average pooling.

    .. math:: g[n, c, a, b] = \sum_{s i + d u - q = a, \; s j + d v - q = b} \mathrm{grad\_out}[n, c, i, j] \;
              \mathrm{sign}(x[n, c, a, b]) \, \Bigl(\frac{|x[n, c, a, b]|}{y[n, c, i, j]}\Bigr)^{p - 1}

    with stride s, dilation d, padding q, exponent p and the norms y of :func:`npconv.lp_pool2d`.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.lp_pool2d`, of its shape.
    x : array_like of the dtype of grad_out
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. It is pooled
        again to know the norms.
    norm_type, kernel_size, stride, padding, dilation, ceil_mode
        The arguments of :func:`npconv.lp_pool2d`.
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
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

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
    The formula is the derivative of the norm. Where the norm of a window is 0 it has none, and its elements
    get 0 from that window: the subgradient that PyTorch takes, too.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.array([[3.0, -4.0, 0.0, 0.0]])
    >>> npconv.grad.lp_pool2d(np.array([[5.0, 5.0]]), x, 2, (1, 2))
    array([[ 3., -4.,  0.,  0.]])
    """
    return _grad_lp_pool(
        2, grad_out, x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out,
        num_threads,
    )  # fmt: skip


def lp_pool1d(
    grad_out: ArrayOf[Float],
    x: ArrayOf[Float],
    norm_type: float,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D power-average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.lp_pool1d`, of its shape.
    x : array_like
        What was pooled, of the dtype of grad_out.
    norm_type, kernel_size, stride, padding, dilation, ceil_mode
        The arguments of :func:`npconv.lp_pool1d`.
    layout, out, num_threads
        As in :func:`lp_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`lp_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.lp_pool1d(np.array([5.0, 10.0]), np.array([3.0, -4.0, 0.0, 2.0]), 2, 2)
    array([ 3., -4.,  0., 10.])
    """
    return _grad_lp_pool(
        1, grad_out, x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out,
        num_threads,
    )  # fmt: skip


def lp_pool3d(
    grad_out: ArrayOf[Float],
    x: ArrayOf[Float],
    norm_type: float,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D power-average pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.lp_pool3d`, of its shape.
    x : array_like
        What was pooled, of the dtype of grad_out.
    norm_type, kernel_size, stride, padding, dilation, ceil_mode
        The arguments of :func:`npconv.lp_pool3d`.
    layout, out, num_threads
        As in :func:`lp_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`lp_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.lp_pool3d(np.array([[[2.0]]]), np.full((1, 2, 2), -3.0), 2, (1, 2, 2))
    array([[[-1., -1.],
            [-1., -1.]]])
    """
    return _grad_lp_pool(
        3, grad_out, x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out,
        num_threads,
    )  # fmt: skip
