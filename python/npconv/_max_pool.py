# SPDX-License-Identifier: BSD-3-Clause
"""max_pool1d, max_pool2d, max_pool3d: the largest element of each window."""

from __future__ import annotations

from typing import Literal, overload

from ._core import max_pool as _max_pool
from ._types import ArrayOf, IndexArray, Ints, Layout, NDArray, Number, Padding


@overload
def max_pool2d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number]: ...  # fmt: skip
@overload
def max_pool2d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[True],
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
@overload
def max_pool2d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
def max_pool2d(
    x: ArrayOf[Number],
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]:
    r"""Largest pixel of each window: 2-D max pooling.

    .. math:: y[n, c, i, j] = \max_{u, v} \; x[n, c, s i + d u - p, s j + d v - p]

    with stride s, dilation d, padding p, and (u, v) over the taps of the window that lie in x: the border
    never wins.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    kernel_size : int or (int, int)
        Height and width of the window, in pixels.
    stride : int or (int, int), optional
        Step of the window, in pixels; None is `kernel_size`: windows side by side.
    padding : int, (int, int), ((top, bottom), (left, right)) or str
        Border around x, in pixels, each side smaller than the dilated kernel, dilation * (kernel - 1) + 1.
        ``"valid"``: none. ``"full"``: dilation * (kernel - 1) on both sides. ``"same"``: output =
        ceil(input / stride), an odd pixel after (TensorFlow, Keras); ``"same_lower"``: an odd pixel before
        (ONNX); ``"causal"``: all of it before.
    dilation : int or (int, int)
        Distance of the window's taps, in pixels.
    ceil_mode : bool
        Round the number of windows up, not down: a last window may reach beyond the border, but begins no
        later than the last pixel of x.
    return_indices : bool
        Return also where the largest pixels are: row * width + column in the plane of x, in both layouts.
        :func:`max_unpool2d` and :func:`npconv.grad.max_pool2d` take them.
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
        (batch, channels, height, width), in the layout, form (batch, channels or neither) and dtype of x,
        with ``(input + padding - dilation * (kernel - 1) - 1) // stride + 1`` pixels on an axis; with
        `ceil_mode` that division is rounded up, unless the last window would then begin beyond the last
        pixel of x. With `return_indices` a tuple of it and of the indices, of the same shape.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is not one of the seven.
    ValueError
        Sizes that do not fit, unknown names, padding as large as the dilated kernel, a result without
        pixels, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    The windows are PyTorch's (documentation of ``torch.nn.MaxPool2d``), except that PyTorch limits padding
    to half the kernel, which leaves no room for ``"causal"``. A NaN is larger than any number: of several in
    a window the last one in row-major order is taken, value and index; of several equal maxima the first, so
    that of -0.0 and 0.0 the one that comes first. A window without a pixel of x, which dilation makes
    possible, gives -inf, or the lowest integer, and the index -1.

    Large windows that overlap are joined from prefixes and suffixes of blocks, at a cost that does not grow
    with the window: M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and
    octagonal kernels", Pattern Recognition Letters 13 (1992), 517-521; J. Gil and M. Werman, "Computing 2-D
    min, median, and max filters", IEEE Transactions on Pattern Analysis and Machine Intelligence 15 (1993),
    504-507.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 6.0]])
    >>> npconv.max_pool2d(image, 2)
    array([[5., 6.]])
    >>> npconv.max_pool2d(image, 2, return_indices=True)[1]
    array([[1, 7]])
    >>> npconv.max_pool2d(image, 3, stride=1, padding="same")
    array([[5., 5., 6., 6.],
           [5., 5., 6., 6.]])
    """
    return _max_pool(
        2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads,
    )  # fmt: skip


@overload
def max_pool1d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number]: ...  # fmt: skip
@overload
def max_pool1d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[True],
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
@overload
def max_pool1d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
def max_pool1d(
    x: ArrayOf[Number],
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]:
    """Largest sample of each window: 1-D max pooling.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    kernel_size : int or (int,)
        Length of the window, in samples.
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    stride, dilation, ceil_mode, return_indices, layout, out, num_threads
        As in :func:`max_pool2d`.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        (batch, channels, length), in the layout and form of x. Indices are places in a signal.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.max_pool1d(np.array([1, 4, 2, 8, 5], np.int16), 2)
    array([4, 8], dtype=int16)
    >>> y, indices = npconv.max_pool1d(np.array([1, 4, 2, 8, 5]), 2, ceil_mode=True, return_indices=True)
    >>> y, indices
    (array([4, 8, 5]), array([1, 3, 4]))
    """
    return _max_pool(
        1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads,
    )  # fmt: skip


@overload
def max_pool3d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number]: ...  # fmt: skip
@overload
def max_pool3d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[True],
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
@overload
def max_pool3d(
    x: ArrayOf[Number], kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool,
    layout: Layout = "channels_first", out: NDArray[Number] | None = None, num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]: ...  # fmt: skip
def max_pool3d(
    x: ArrayOf[Number],
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number] | tuple[NDArray[Number], IndexArray]:
    """Largest voxel of each window: 3-D max pooling.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    kernel_size : int or (int, int, int)
        Depth, height and width of the window, in voxels.
    stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads
        As in :func:`max_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        (batch, channels, depth, height, width), in the layout and form of x. Indices are (plane * height +
        row) * width + column.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> volume = np.arange(64.0).reshape(4, 4, 4)
    >>> npconv.max_pool3d(volume, 2)[0]
    array([[21., 23.],
           [29., 31.]])
    """
    return _max_pool(
        3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads,
    )  # fmt: skip
