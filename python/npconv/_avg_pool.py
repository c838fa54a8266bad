# SPDX-License-Identifier: BSD-3-Clause
"""avg_pool{N}d and lp_pool{N}d, for N = 1, 2, 3: the mean and the p-norm of each window."""

from __future__ import annotations

from ._core import avg_pool as _avg_pool
from ._core import lp_pool as _lp_pool
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding


def avg_pool2d(
    x: ArrayOf[Float],
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
    r"""Mean of each window: 2-D average pooling.

    .. math:: y[n, c, i, j] = \frac{1}{m} \sum_{u, v} x[n, c, s i + d u - p, s j + d v - p]

    with stride s, dilation d, padding p, and (u, v) over the taps of the window that lie in x. The count m is
    that of the taps in x and its border; see `count_include_pad` and `divisor_override`.

    Parameters
    ----------
    x : array_like of float32 or float64
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
    count_include_pad : bool
        True: m counts the taps in x and in its border, whose elements are zeros. False: the taps in x alone.
        What of a window lies beyond the border (`ceil_mode`) is never counted.
    divisor_override : int, optional
        This number, which is not 0, in place of m in every window.
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
        (batch, channels, height, width), in the layout, form (batch, channels or neither) and dtype of x,
        with ``(input + padding - dilation * (kernel - 1) - 1) // stride + 1`` pixels on an axis; with
        `ceil_mode` that division is rounded up, unless the last window would then begin beyond the last
        pixel of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, padding as large as the dilated kernel, a result without
        pixels, a divisor of 0, an `out` that cannot take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    Windows and counts are PyTorch's (documentation of ``torch.nn.AvgPool2d``), with more padding and with
    dilation. TensorFlow's ``padding="SAME"`` does not count its border: ``count_include_pad=False``. A
    window without a pixel of x, which dilation makes possible, gives 0, or NaN where its count is 0, too.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 6.0]])
    >>> npconv.avg_pool2d(image, 2)
    array([[3.25, 2.25]])
    >>> npconv.avg_pool2d(np.ones((2, 2)), 2, stride=1, padding=1)
    array([[0.25, 0.5 , 0.25],
           [0.5 , 1.  , 0.5 ],
           [0.25, 0.5 , 0.25]])
    """
    return _avg_pool(
        2, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, layout,
        out, num_threads,
    )  # fmt: skip


def avg_pool1d(
    x: ArrayOf[Float],
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
    """Mean of each window: 1-D average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    kernel_size : int or (int,)
        Length of the window, in samples.
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    stride, dilation, ceil_mode, count_include_pad, divisor_override, layout, out, num_threads
        As in :func:`avg_pool2d`.

    Returns
    -------
    ndarray
        (batch, channels, length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.array([1.0, 2.0, 6.0, 4.0])
    >>> npconv.avg_pool1d(x, 3, stride=1, padding="same", count_include_pad=False)
    array([1.5, 3. , 4. , 5. ])
    """
    return _avg_pool(
        1, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, layout,
        out, num_threads,
    )  # fmt: skip


def avg_pool3d(
    x: ArrayOf[Float],
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
    """Mean of each window: 3-D average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    kernel_size : int or (int, int, int)
        Depth, height and width of the window, in voxels.
    stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, layout, out, num_threads
        As in :func:`avg_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`avg_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> volume = np.arange(64.0).reshape(4, 4, 4)
    >>> npconv.avg_pool3d(volume, 2)[0]
    array([[10.5, 12.5],
           [18.5, 20.5]])
    """
    return _avg_pool(
        3, x, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, layout,
        out, num_threads,
    )  # fmt: skip


def lp_pool2d(
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
    r"""p-norm of each window: 2-D power-average pooling.

    .. math:: y[n, c, i, j] = \Bigl(\sum_{u, v} |x[n, c, s i + d u - q, s j + d v - q]|^p\Bigr)^{1/p}

    with stride s, dilation d, padding q, and (u, v) over the taps of the window that lie in x.

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or
        (height, width): one channel. With ``layout="channels_last"`` the channels come last. Any strides,
        byte order and alignment.
    norm_type : float
        The exponent p, finite and larger than 0: 1 sums absolute values, 2 is the Euclidean norm, large
        exponents come near the largest absolute value.
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
        (batch, channels, height, width), in the layout, form (batch, channels or neither) and dtype of x,
        with ``(input + padding - dilation * (kernel - 1) - 1) // stride + 1`` pixels on an axis; with
        `ceil_mode` that division is rounded up, unless the last window would then begin beyond the last
        pixel of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names, padding as large as the dilated kernel, a result without
        pixels, an exponent that is not finite and positive, an `out` that cannot take the result; `out` is
        untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    Absolute values are taken, as in a norm and as in the operator LpPool of ONNX. PyTorch's ``lp_pool2d``
    takes powers of the values themselves: there -1 and 1 cancel with p = 1, and a negative sum, or a
    negative value with p = 1.5, gives NaN. It also scales a window that reaches beyond the border
    (`ceil_mode`) up to the size of the kernel; here such a window has the norm of what it holds. For values
    of at least 0 and without `ceil_mode` both agree. float32 is summed in float64.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.lp_pool2d(np.array([[3.0, -4.0, 5.0, 12.0]]), 2, (1, 2))
    array([[ 5., 13.]])
    >>> npconv.lp_pool2d(np.array([[3.0, -4.0, 5.0, 12.0]]), 1, (1, 2))
    array([[ 7., 17.]])
    """
    return _lp_pool(
        2, x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out, num_threads,
    )  # fmt: skip


def lp_pool1d(
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
    """p-norm of each window: 1-D power-average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or (length,): one
        channel. With ``layout="channels_last"`` the channels come last.
    kernel_size : int or (int,)
        Length of the window, in samples.
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    norm_type, stride, dilation, ceil_mode, layout, out, num_threads
        As in :func:`lp_pool2d`.

    Returns
    -------
    ndarray
        (batch, channels, length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`lp_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.lp_pool1d(np.array([3.0, -4.0, 0.0, -5.0, 12.0]), 2, 2, stride=3)
    array([ 5., 13.])
    """
    return _lp_pool(
        1, x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out, num_threads,
    )  # fmt: skip


def lp_pool3d(
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
    """p-norm of each window: 3-D power-average pooling.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or (depth, height, width): one channel. With ``layout="channels_last"`` the channels come
        last.
    kernel_size : int or (int, int, int)
        Depth, height and width of the window, in voxels.
    norm_type, stride, padding, dilation, ceil_mode, layout, out, num_threads
        As in :func:`lp_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, channels, depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`lp_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.lp_pool3d(np.full((2, 4, 4), -3.0), 2, (1, 2, 2))[0]
    array([[6., 6.],
           [6., 6.]])
    """
    return _lp_pool(
        3, x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out, num_threads,
    )  # fmt: skip
