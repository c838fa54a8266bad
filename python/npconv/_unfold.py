# SPDX-License-Identifier: BSD-3-Clause
"""unfold{N}d and fold{N}d, for N = 1, 2, 3: windows as the columns of a matrix, and back."""

from __future__ import annotations

from ._core import fold as _fold
from ._core import unfold as _unfold
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding


def unfold2d(
    x: ArrayOf[Float],
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Put each window into a column: 2-D im2col.

    .. math:: y[n, \; (c k_h + u) k_w + v, \; i w + j] = \bar x[n, c, s i + d u, s j + d v]

    with stride s, dilation d, kernel size :math:`k_h \times k_w`, w windows in a row, and the padded input
    :math:`\bar x`. With channels last :math:`y[n, \; i w + j, \; (u k_w + v) C + c]` for C channels.

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    kernel_size : int or (int, int)
        Height and width of the window, in pixels.
    stride : int or (int, int)
        Step of the window, in pixels.
    padding : int, (int, int), ((top, bottom), (left, right)) or str
        Border of zeros around x, in pixels. ``"valid"``: none. ``"full"``: dilation * (kernel - 1) on both
        sides. ``"same"``: as many windows as ceil(input / stride), an odd pixel after; ``"same_lower"``: an
        odd pixel before; ``"causal"``: all of it before.
    dilation : int or (int, int)
        Distance of the window's taps, in pixels.
    layout : {"channels_first", "channels_last"}
        Of x: NCHW or NHWC; and of the result, as told below.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may not
        overlap x.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        (batch, channels * kernel height * kernel width, windows); with channels last (batch, windows, kernel
        height * kernel width * channels). Without the batch axis where x has none; one channel counts as 1.
        The windows are in row-major order, ``(input + padding - dilation * (kernel - 1) - 1) // stride + 1``
        on an axis.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, no window at all, an `out` that cannot take the result; `out` is
        untouched then.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    As ``torch.nn.functional.unfold``, and with channels last as ``tf.image.extract_patches`` with its rows
    and columns of patches in one axis. The result is as large as x times the size of the kernel, divided by
    the strides: it is for looking at windows, and for what no other function here does with them.
    Convolution and pooling do without it.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.unfold2d(np.arange(9.0).reshape(3, 3), 2)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    return _unfold(2, x, kernel_size, stride, padding, dilation, layout, out, num_threads)


def unfold1d(
    x: ArrayOf[Float],
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Put each window into a column: 1-D im2col.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    kernel_size : int or (int,)
        Length of the window, in samples.
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    stride, dilation, layout, out, num_threads
        As in :func:`unfold2d`.

    Returns
    -------
    ndarray
        (batch, channels * kernel size, windows); with channels last (batch, windows, kernel size *
        channels). Without the batch axis where x has none; one channel counts as 1.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`unfold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.unfold1d(np.array([1.0, 2.0, 3.0, 4.0]), 3, padding=1)
    array([[0., 1., 2., 3.],
           [1., 2., 3., 4.],
           [2., 3., 4., 0.]])
    """
    return _unfold(1, x, kernel_size, stride, padding, dilation, layout, out, num_threads)


def unfold3d(
    x: ArrayOf[Float],
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Put each window into a column: 3-D im2col.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    kernel_size : int or (int, int, int)
        Depth, height and width of the window, in voxels.
    stride, padding, dilation, layout, out, num_threads
        As in :func:`unfold2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels * kernel size, windows); with channels last (batch, windows, kernel size *
        channels). Without the batch axis where x has none; one channel counts as 1.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`unfold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.unfold3d(np.arange(12.0).reshape(2, 2, 3), (1, 2, 2))
    array([[ 0.,  1.,  6.,  7.],
           [ 1.,  2.,  7.,  8.],
           [ 3.,  4.,  9., 10.],
           [ 4.,  5., 10., 11.]])
    """
    return _unfold(3, x, kernel_size, stride, padding, dilation, layout, out, num_threads)


def fold2d(
    cols: ArrayOf[Float],
    output_size: Ints,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Add columns to where their windows are: 2-D col2im, the adjoint of :func:`unfold2d`.

    .. math:: \bar x[n, c, a, b] = \sum_{s i + d u = a, \; s j + d v = b}
              \mathrm{cols}[n, \; (c k_h + u) k_w + v, \; i w + j]

    with stride s, dilation d, kernel size :math:`k_h \times k_w` and w windows in a row; the result is
    :math:`\bar x` without its border.

    Parameters
    ----------
    cols : array_like of float32 or float64
        (batch, channels * kernel height * kernel width, windows); without the batch (channels * kernel
        height * kernel width, windows). With ``layout="channels_last"`` (batch, windows, kernel height *
        kernel width * channels). Any strides, byte order and alignment.
    output_size : int or (int, int)
        Height and width of the result, in pixels. It must have as many windows as `cols`.
    kernel_size : int or (int, int)
        Height and width of the window, in pixels.
    stride : int or (int, int)
        Step of the window, in pixels.
    padding : int, (int, int), ((top, bottom), (left, right)) or str
        Border around the result, in pixels: what falls into it is left out. ``"valid"``: none. ``"full"``:
        dilation * (kernel - 1) on both sides. ``"same"``: as many windows as ceil(input / stride), an odd
        pixel after; ``"same_lower"``: an odd pixel before; ``"causal"``: all of it before.
    dilation : int or (int, int)
        Distance of the window's taps, in pixels.
    layout : {"channels_first", "channels_last"}
        Of the result: NCHW or NHWC; and of `cols`, as told above.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may not
        overlap `cols`.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        (batch, channels, height, width), without the batch axis where `cols` has none; with channels last
        (batch, height, width, channels). Of the dtype of `cols`.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    As ``torch.nn.functional.fold``. ``fold2d(unfold2d(x, ...), ...)`` is x times the number of windows that
    hold each pixel; dividing by ``fold2d(unfold2d(np.ones_like(x), ...), ...)`` gives x back, up to rounding:
    that is how overlapping patches are blended.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.arange(9.0).reshape(1, 3, 3)                  # one channel, which stays an axis of the result
    >>> npconv.fold2d(npconv.unfold2d(x, 2), (3, 3), 2)
    array([[[ 0.,  2.,  2.],
            [ 6., 16., 10.],
            [ 6., 14.,  8.]]])
    """
    return _fold(2, cols, output_size, kernel_size, stride, padding, dilation, layout, out, num_threads)


def fold1d(
    cols: ArrayOf[Float],
    output_size: Ints,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Add columns to where their windows are: 1-D col2im, the adjoint of :func:`unfold1d`.

    Parameters
    ----------
    cols : array_like of float32 or float64
        (batch, channels * kernel, windows); without the batch (channels * kernel, windows). With
        ``layout="channels_last"`` (batch, windows, kernel * channels).
    output_size : int or (int,)
        Length of the result, in samples.
    kernel_size : int or (int,)
        Length of the window, in samples.
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    stride, dilation, layout, out, num_threads
        As in :func:`fold2d`.

    Returns
    -------
    ndarray
        (batch, channels, length), without the batch axis where `cols` has none; with channels last (batch,
        length, channels).

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`fold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.fold1d(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), 4, 2)
    array([[ 1., 12., 23., 30.]])
    """
    return _fold(1, cols, output_size, kernel_size, stride, padding, dilation, layout, out, num_threads)


def fold3d(
    cols: ArrayOf[Float],
    output_size: Ints,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Add columns to where their windows are: 3-D col2im, the adjoint of :func:`unfold3d`.

    Parameters
    ----------
    cols : array_like of float32 or float64
        (batch, channels * kernel size, windows); without the batch (channels * kernel size, windows). With
        ``layout="channels_last"`` (batch, windows, kernel size * channels).
    output_size : int or (int, int, int)
        Depth, height and width of the result, in voxels.
    kernel_size : int or (int, int, int)
        Depth, height and width of the window, in voxels.
    stride, padding, dilation, layout, out, num_threads
        As in :func:`fold2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, depth, height, width), without the batch axis where `cols` has none; with channels
        last (batch, depth, height, width, channels).

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`fold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.fold3d(np.ones((2, 4)), (1, 2, 3), (1, 1, 2))
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    return _fold(3, cols, output_size, kernel_size, stride, padding, dilation, layout, out, num_threads)
