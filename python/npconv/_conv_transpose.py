# SPDX-License-Identifier: BSD-3-Clause
"""conv_transpose1d, conv_transpose2d, conv_transpose3d and their plan."""

from __future__ import annotations

from ._core import conv_transpose as _conv_transpose
from ._core import plan_conv_transpose as _plan_conv_transpose
from ._plan import ConvPlan
from ._planned import wrap
from ._types import Activation, ArrayOf, Float, Ints, Layout, NDArray, Padding, PlanShape


def conv_transpose2d(
    x: ArrayOf[Float],
    w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    output_size: Ints | None = None,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""2-D transposed convolution: each pixel of x times the kernel, added where stride and dilation put it.

    .. math:: y[n, o, p, q] = f\Bigl(b[o] + \sum_{c, u, v} w[c, o, u, v] \; x[n, c, i, j]\Bigr), \qquad
              s i + d u = p + a, \quad s j + d v = q + a

    with stride s, dilation d, padding a (cut off the result) and activation f; the sum is over those taps for
    which there are such i, j in x. It is the adjoint of :func:`conv2d` with the same weights, stride, padding
    and dilation, and so that convolution's gradient in its input ("deconvolution" in older texts: Dumoulin
    and Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4).

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or,
        where `w` too has just two axes, (height, width). With ``layout="channels_last"`` the channels come
        last. Any strides, byte order and alignment.
    w : array_like
        Weights of shape (channels, output channels / groups, kernel height, kernel width), in both layouts.
    bias : array_like of shape (output channels,), optional
        Added to every pixel of a channel.
    stride : int or (int, int)
        Distance, in pixels of the result, between what neighbours in x give.
    padding : int, (int, int), ((top, bottom), (left, right)) or str
        Pixels that are cut off the result. ``"valid"``: none. ``"same"``: the result is input * stride, as
        for TensorFlow and Keras, an odd pixel cut after; ``"same_lower"``: an odd pixel before (ONNX).
    output_padding : int or (int, int)
        Pixels that the result is longer at its end; less than stride or dilation. No kernel reaches beyond
        ``(input - 1) * stride + dilation * (kernel - 1)``: there stands the bias alone.
    output_size : int or (int, int), optional
        Height and width of the result, instead of `output_padding`.
    dilation : int or (int, int)
        Distance of the kernel's taps, in pixels of the result.
    groups : int
        Number of groups of channels, which do not see each other.
    layout : {"channels_first", "channels_last"}
        Of x, out and the result: NCHW or NHWC.
    activation : None, str or tuple
        As in :func:`conv2d`.
    algorithm : str
        ``"auto"``, ``"measure"``, or one by name, as in :func:`conv2d`. Without a stride (and where nothing
        but one phase of it has taps) this is one convolution, of the part of x that it meets, and all names
        of :func:`conv2d` are taken for what serves that; but ``"winograd"`` not along the depth alone. With a
        stride ``"gemm"``, ``"depthwise"`` and ``"naive"`` serve: they compute the phases of the stride, each
        a convolution, and put them together.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may
        overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        (batch, output channels, height, width), in the layout and form (batch or not) of x, with
        ``(input - 1) * stride - padding + dilation * (kernel - 1) + 1 + output_padding`` pixels on an axis,
        where padding is that of both sides.

    Raises
    ------
    TypeError
        An argument of the wrong type, or dtypes that do not agree.
    ValueError
        Sizes that do not fit, unknown names, an `out` that cannot take the result; it is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    Each output is computed once, from the taps that meet it: no array of the result times the taps is made,
    and nothing stands beside x, so that a weight of infinity makes no NaN there. Where a weight is not finite
    the result is computed by the definition, whatever the algorithm.

    An output is a sum over n = channels / groups x taps that meet it. How exact it is depends on the
    algorithm as in :func:`conv2d`; ``"auto"`` may take Winograd's where there is no stride, and never where
    there is one.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> npconv.conv_transpose2d(x, np.ones((2, 2)), stride=2)
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.],
           [3., 3., 4., 4.],
           [3., 3., 4., 4.]])
    """
    return _conv_transpose(
        2, x, w, bias, stride, padding, output_padding, output_size, dilation, groups, layout, activation,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv_transpose1d(
    x: ArrayOf[Float],
    w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    output_size: Ints | None = None,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""1-D transposed convolution of signals.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or, where `w` too
        has just one axis, (length,). With ``layout="channels_last"`` the channels come last.
    w : array_like
        Weights of shape (channels, output channels / groups, kernel).
    padding : int, ((before, after),) or str
        As in :func:`conv_transpose2d`; ``(1, 2)`` is an error: two ints would be those of two axes.
    bias, stride, output_padding, output_size, dilation, groups, layout, activation, algorithm, out, \
    num_threads
        As in :func:`conv_transpose2d`.

    Returns
    -------
    ndarray
        (batch, output channels, length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.conv_transpose1d(np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 0.5]), stride=2)
    array([0.5, 1. , 1.5, 2. , 2.5, 3. , 1.5])
    """
    return _conv_transpose(
        1, x, w, bias, stride, padding, output_padding, output_size, dilation, groups, layout, activation,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv_transpose3d(
    x: ArrayOf[Float],
    w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    output_size: Ints | None = None,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""3-D transposed convolution of volumes and videos.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or, where `w` too has just three axes, (depth, height, width). With
        ``layout="channels_last"`` the channels come last.
    w : array_like
        Weights of shape (channels, output channels / groups, kernel depth, kernel height, kernel width).
    bias, stride, padding, output_padding, output_size, dilation, groups, layout, activation, algorithm, \
    out, num_threads
        As in :func:`conv_transpose2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, output channels, depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.conv_transpose3d(np.ones((1, 2, 2, 2)), np.ones((1, 4, 2, 2, 2)), stride=2).shape
    (4, 4, 4, 4)
    """
    return _conv_transpose(
        3, x, w, bias, stride, padding, output_padding, output_size, dilation, groups, layout, activation,
        algorithm, out, num_threads,
    )  # fmt: skip


def plan_conv_transpose(
    x_shape: PlanShape,
    w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    output_size: Ints | None = None,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: str = "auto",
    num_threads: int | None = None,
) -> ConvPlan[Float]:
    """Plan a 1-D, 2-D or 3-D transposed convolution: its weights are split into phases and packed once.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, as for :func:`conv_transpose1d`, :func:`conv_transpose2d`,
        :func:`conv_transpose3d`; None for the batch means any batch, and one image without the batch. The
        number of spatial axes follows from the number of axes of `w` and `x_shape`, as in :func:`plan_conv`.
    w, bias : array_like
        Weights and bias, copied: once packed, and once as they are, for pickling. Their dtype is that of the
        plan.
    stride, padding, output_padding, output_size, dilation, groups, layout, activation, algorithm
        As in :func:`conv_transpose2d`.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    ConvPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> w = np.ones((16, 8, 4, 4), np.float32)
    >>> plan = npconv.plan_conv_transpose((None, 16, 8, 8), w, stride=2, padding=1)
    >>> plan.output_shape
    (None, 8, 16, 16)
    >>> plan(np.zeros((5, 16, 8, 8), np.float32)).shape
    (5, 8, 16, 16)
    """
    core = _plan_conv_transpose(
        x_shape, w, bias, stride, padding, output_padding, output_size, dilation, groups, layout, activation,
        algorithm, num_threads,
    )  # fmt: skip
    return wrap(ConvPlan, core)
