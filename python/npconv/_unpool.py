# SPDX-License-Identifier: BSD-3-Clause
"""max_unpool1d, max_unpool2d, max_unpool3d: what max pooling took, put back to its place."""

from __future__ import annotations

from ._core import max_unpool as _max_unpool
from ._types import ArrayLike, ArrayOf, Ints, Layout, NDArray, Number, Padding


def max_unpool2d(
    x: ArrayOf[Number],
    indices: ArrayLike,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    output_size: Ints | None = None,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number]:
    r"""Put maxima back to where they came from: 2-D max unpooling, a partial inverse of :func:`max_pool2d`.

    .. math:: y[n, c, \mathrm{indices}[n, c, i, j]] = x[n, c, i, j]

    and 0 elsewhere, with each plane of y in one row.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    indices : array_like of int64
        Of the shape of x: row * width + column in the plane of the result, as :func:`max_pool2d` returns
        them.
    kernel_size : int or (int, int)
        Height and width of the pooling's window, in pixels.
    stride : int or (int, int), optional
        Step of the pooling's window, in pixels; None is `kernel_size`.
    padding : int, (int, int), ((top, bottom), (left, right)) or str
        As in the pooling. :func:`max_pool2d` tells the names.
    output_size : int or (int, int), optional
        Height and width of the result, in pixels, less than a stride away from
        ``(input - 1) * stride - padding + kernel`` (padding on both sides together), which is what None
        means; with ``padding="same"``, ``"same_lower"`` or ``"causal"`` from ``input * stride``. Several
        sizes pool to the same one; this tells which one it was.
    layout : {"channels_first", "channels_last"}
        Of x, indices, out and the result: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may not
        overlap x or indices.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        (batch, channels, height, width), in the layout, form (batch, channels or neither) and dtype of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, a dtype of x that is not one of the seven, indices that are not int64.
    ValueError
        Sizes that do not fit, unknown names, an index outside the plane, an output size that the pooling
        cannot have had, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    Sizes are PyTorch's (documentation of ``torch.nn.MaxUnpool2d``). Where windows overlap, one place may get
    several values; the last one in row-major order of a plane of x stays. (PyTorch leaves open which.)

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 6.0]])
    >>> y, indices = npconv.max_pool2d(image, 2, return_indices=True)
    >>> npconv.max_unpool2d(y, indices, 2)
    array([[0., 5., 0., 0.],
           [0., 0., 0., 6.]])
    """
    return _max_unpool(2, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


def max_unpool1d(
    x: ArrayOf[Number],
    indices: ArrayLike,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    output_size: Ints | None = None,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number]:
    """Put maxima back to where they came from: 1-D max unpooling, a partial inverse of :func:`max_pool1d`.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    indices : array_like of int64
        Of the shape of x: places in a signal of the result, as :func:`max_pool1d` returns them.
    kernel_size : int or (int,)
        Length of the pooling's window, in samples.
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    stride, output_size, layout, out, num_threads
        As in :func:`max_unpool2d`.

    Returns
    -------
    ndarray
        (batch, channels, length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_unpool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.max_pool1d(np.array([1, 4, 2, 8, 5]), 2, return_indices=True)
    >>> npconv.max_unpool1d(y, indices, 2)
    array([0, 4, 0, 8])
    >>> npconv.max_unpool1d(y, indices, 2, output_size=5)
    array([0, 4, 0, 8, 0])
    """
    return _max_unpool(1, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)


def max_unpool3d(
    x: ArrayOf[Number],
    indices: ArrayLike,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    output_size: Ints | None = None,
    layout: Layout = "channels_first",
    out: NDArray[Number] | None = None,
    num_threads: int | None = None,
) -> NDArray[Number]:
    """Put maxima back to where they came from: 3-D max unpooling, a partial inverse of :func:`max_pool3d`.

    Parameters
    ----------
    x : array_like of float32, float64, int8, uint8, int16, int32 or int64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    indices : array_like of int64
        Of the shape of x: (plane * height + row) * width + column in a volume of the result, as
        :func:`max_pool3d` returns them.
    kernel_size : int or (int, int, int)
        Depth, height and width of the pooling's window, in voxels.
    stride, padding, output_size, layout, out, num_threads
        As in :func:`max_unpool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_unpool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.max_pool3d(np.arange(8.0).reshape(2, 2, 2), 2, return_indices=True)
    >>> npconv.max_unpool3d(y, indices, 2)
    array([[[0., 0.],
            [0., 0.]],
    <BLANKLINE>
           [[0., 0.],
            [0., 7.]]])
    """
    return _max_unpool(3, x, indices, kernel_size, stride, padding, output_size, layout, out, num_threads)
