# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of convolutions."""

from __future__ import annotations

from ._core import grad_conv_bias as _bias
from ._core import grad_conv_input as _input
from ._core import grad_conv_weight as _weight
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding, PaddingMode, Shape


def conv1d_input(
    input_shape: Shape,
    w: ArrayOf[Float],
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of :func:`npconv.conv1d` with respect to x: what each output gives back to its inputs.

    It is the adjoint of the convolution, :math:`\langle conv(x), g \rangle = \langle x, conv\_input(g)
    \rangle`: a transposed convolution with the same weights. What a border that repeats x would get goes
    back to the elements that it repeats, in a fixed order.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of x, in the form and layout that the convolution had.
    w : array_like
        The weights, of shape (output channels, channels / groups, kernel).
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of the result's shape.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution.
    algorithm : str
        As in :func:`npconv.conv_transpose2d`, which this is. What a border that repeats x gets is computed in
        strips; those that are too narrow for the algorithm are left to ``"gemm"``. A border so large that
        most of it meets no output is computed by the definition.
    out : ndarray, optional
        Where to put the gradient: of shape `input_shape`, C-contiguous but for the batch stride. It may
        overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Of shape `input_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.conv1d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    As exact as :func:`conv2d_input`: ``"auto"`` may take Winograd's where there is no stride; pass
    ``algorithm="gemm"`` where the elementwise bound or exact integers count.

    Only products of elements that there are count: a weight of infinity makes NaN only with a gradient of
    zero, not at the border.
    The formula is in Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.conv1d_input((4,), np.array([1.0, 2.0]), np.ones(3))
    array([1., 3., 3., 2.])
    """
    return _input(
        1, input_shape, w, grad_out, stride, padding, dilation, groups, padding_mode, flip, layout,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv1d_weight(
    x: ArrayOf[Float],
    weight_shape: Shape,
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of :func:`npconv.conv1d` with respect to w: a sum over the batch and all outputs.

    .. math:: \partial w[o, c, t] = \sum_{n, p} g[n, o, p] \; \bar x[n, c, s p + d t]

    with stride s, dilation d and the padded input :math:`\bar x`.

    Parameters
    ----------
    x : array_like of float32 or float64
        The input of the convolution.
    weight_shape : tuple of int
        (output channels, channels / groups, kernel).
    grad_out : array_like
        The gradient with respect to the result, of the result's shape.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution. The border is as good as real elements: zero times infinity is NaN.
    out : ndarray, optional
        Where to put the gradient: of shape `weight_shape`, C-contiguous. It may overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Of shape `weight_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.conv1d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    There is one way, a matrix product or depthwise sums in a fixed order, never Winograd's. The sum over
    m = batch x outputs products differs from the exact one by at most ``gamma(m + 2) * sum |g| |x|``
    (:func:`npconv.conv2d` tells gamma); of integers it is exact where ``sum |g| |x|`` is at most 2**24
    (2**53 in float64).

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.conv1d_weight(np.array([1.0, 2.0, 3.0, 4.0]), (2,), np.ones(3))
    array([6., 9.])
    """
    return _weight(
        1, x, weight_shape, grad_out, stride, padding, dilation, groups, padding_mode, flip, layout, out,
        num_threads,
    )  # fmt: skip


def conv1d_bias(grad_out: ArrayOf[Float], *, layout: Layout = "channels_first") -> NDArray[Float]:
    """Gradient of :func:`npconv.conv1d` with respect to its bias: the sum over the batch and all outputs.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of shape (batch, channels, length), without the batch, or,
        of a single channel, (length,). With ``layout="channels_last"`` the channels come last.
    layout : {"channels_first", "channels_last"}
        Of `grad_out`.

    Returns
    -------
    ndarray of shape (channels,)

    Raises
    ------
    TypeError, ValueError
        No float32 or float64, or another number of axes.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.conv1d_bias(np.ones((2, 3, 4)))
    array([8., 8., 8.])
    """
    return _bias(1, grad_out, layout)


def conv2d_input(
    input_shape: Shape,
    w: ArrayOf[Float],
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of :func:`npconv.conv2d` with respect to x: what each output gives back to its inputs.

    It is the adjoint of the convolution, :math:`\langle conv(x), g \rangle = \langle x, conv\_input(g)
    \rangle`: a transposed convolution with the same weights. What a border that repeats x would get goes
    back to the elements that it repeats, in a fixed order.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of x, in the form and layout that the convolution had.
    w : array_like
        The weights, of shape (output channels, channels / groups, kernel height, kernel width).
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of the result's shape.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution.
    algorithm : str
        As in :func:`npconv.conv_transpose2d`, which this is. What a border that repeats x gets is computed in
        strips; those that are too narrow for the algorithm are left to ``"gemm"``. A border so large that
        most of it meets no output is computed by the definition.
    out : ndarray, optional
        Where to put the gradient: of shape `input_shape`, C-contiguous but for the batch stride. It may
        overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Of shape `input_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.conv2d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    Without a border that repeats x each element is a sum over n = output channels / groups x taps products,
    as exact as the algorithm is in :func:`npconv.conv2d`: by ``"gemm"``, ``"depthwise"``, ``"direct"`` and
    ``"naive"`` within ``gamma(n + 2) * sum |w| |g|``, and of integers exact where ``sum |w| |g|`` is at most
    2**24 (2**53 in float64). For each of k places of the border that repeat the element such a sum is added:
    then it is ``gamma(n + k + 2)``, and the sums are over all these products. ``"auto"`` may take Winograd's
    where there is no stride: pass ``algorithm="gemm"`` where that bound or exact integers count.

    Only products of elements that there are count: a weight of infinity makes NaN only with a gradient of
    zero, not at the border.
    The formula is in Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> w = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> npconv.grad.conv2d_input((3, 3), w, np.ones((2, 2)))
    array([[ 1.,  3.,  2.],
           [ 4., 10.,  6.],
           [ 3.,  7.,  4.]])
    """
    return _input(
        2, input_shape, w, grad_out, stride, padding, dilation, groups, padding_mode, flip, layout,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv2d_weight(
    x: ArrayOf[Float],
    weight_shape: Shape,
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of :func:`npconv.conv2d` with respect to w: a sum over the batch and all outputs.

    .. math:: \partial w[o, c, t] = \sum_{n, p} g[n, o, p] \; \bar x[n, c, s p + d t]

    with stride s, dilation d and the padded input :math:`\bar x`.

    Parameters
    ----------
    x : array_like of float32 or float64
        The input of the convolution.
    weight_shape : tuple of int
        (output channels, channels / groups, kernel height, kernel width).
    grad_out : array_like
        The gradient with respect to the result, of the result's shape.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution. The border is as good as real elements: zero times infinity is NaN.
    out : ndarray, optional
        Where to put the gradient: of shape `weight_shape`, C-contiguous. It may overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Of shape `weight_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.conv2d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    There is one way, a matrix product or depthwise sums in a fixed order, never Winograd's. The sum over
    m = batch x outputs products differs from the exact one by at most ``gamma(m + 2) * sum |g| |x|``
    (:func:`npconv.conv2d` tells gamma); of integers it is exact where ``sum |g| |x|`` is at most 2**24
    (2**53 in float64).

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.arange(9.0).reshape(3, 3)
    >>> npconv.grad.conv2d_weight(x, (2, 2), np.ones((2, 2)))
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _weight(
        2, x, weight_shape, grad_out, stride, padding, dilation, groups, padding_mode, flip, layout, out,
        num_threads,
    )  # fmt: skip


def conv2d_bias(grad_out: ArrayOf[Float], *, layout: Layout = "channels_first") -> NDArray[Float]:
    """Gradient of :func:`npconv.conv2d` with respect to its bias: the sum over the batch and all outputs.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of shape (batch, channels, height, width), without the
        batch, or, of a single channel, (height, width). With ``layout="channels_last"`` the channels come
        last.
    layout : {"channels_first", "channels_last"}
        Of `grad_out`.

    Returns
    -------
    ndarray of shape (channels,)

    Raises
    ------
    TypeError, ValueError
        No float32 or float64, or another number of axes.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.conv2d_bias(np.ones((2, 3, 4, 4)))
    array([32., 32., 32.])
    """
    return _bias(2, grad_out, layout)


def conv3d_input(
    input_shape: Shape,
    w: ArrayOf[Float],
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of :func:`npconv.conv3d` with respect to x: what each output gives back to its inputs.

    It is the adjoint of the convolution, :math:`\langle conv(x), g \rangle = \langle x, conv\_input(g)
    \rangle`: a transposed convolution with the same weights. What a border that repeats x would get goes
    back to the elements that it repeats, in a fixed order.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of x, in the form and layout that the convolution had.
    w : array_like
        The weights, of shape (output channels, channels / groups, kernel depth, kernel height, kernel width).
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of the result's shape.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution.
    algorithm : str
        As in :func:`npconv.conv_transpose2d`, which this is. What a border that repeats x gets is computed in
        strips; those that are too narrow for the algorithm are left to ``"gemm"``. A border so large that
        most of it meets no output is computed by the definition.
    out : ndarray, optional
        Where to put the gradient: of shape `input_shape`, C-contiguous but for the batch stride. It may
        overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Of shape `input_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.conv3d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    As exact as :func:`conv2d_input`: ``"auto"`` may take Winograd's where there is no stride; pass
    ``algorithm="gemm"`` where the elementwise bound or exact integers count.

    Only products of elements that there are count: a weight of infinity makes NaN only with a gradient of
    zero, not at the border.
    The formula is in Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> w = np.ones((4, 2, 3, 3, 3))
    >>> npconv.grad.conv3d_input((1, 2, 5, 5, 5), w, np.ones((1, 4, 3, 3, 3))).shape
    (1, 2, 5, 5, 5)
    """
    return _input(
        3, input_shape, w, grad_out, stride, padding, dilation, groups, padding_mode, flip, layout,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv3d_weight(
    x: ArrayOf[Float],
    weight_shape: Shape,
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of :func:`npconv.conv3d` with respect to w: a sum over the batch and all outputs.

    .. math:: \partial w[o, c, t] = \sum_{n, p} g[n, o, p] \; \bar x[n, c, s p + d t]

    with stride s, dilation d and the padded input :math:`\bar x`.

    Parameters
    ----------
    x : array_like of float32 or float64
        The input of the convolution.
    weight_shape : tuple of int
        (output channels, channels / groups, kernel depth, kernel height, kernel width).
    grad_out : array_like
        The gradient with respect to the result, of the result's shape.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution. The border is as good as real elements: zero times infinity is NaN.
    out : ndarray, optional
        Where to put the gradient: of shape `weight_shape`, C-contiguous. It may overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Of shape `weight_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.conv3d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    There is one way, a matrix product or depthwise sums in a fixed order, never Winograd's. The sum over
    m = batch x outputs products differs from the exact one by at most ``gamma(m + 2) * sum |g| |x|``
    (:func:`npconv.conv2d` tells gamma); of integers it is exact where ``sum |g| |x|`` is at most 2**24
    (2**53 in float64).

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.ones((1, 2, 5, 5, 5))
    >>> npconv.grad.conv3d_weight(x, (4, 2, 3, 3, 3), np.ones((1, 4, 3, 3, 3))).shape
    (4, 2, 3, 3, 3)
    """
    return _weight(
        3, x, weight_shape, grad_out, stride, padding, dilation, groups, padding_mode, flip, layout, out,
        num_threads,
    )  # fmt: skip


def conv3d_bias(grad_out: ArrayOf[Float], *, layout: Layout = "channels_first") -> NDArray[Float]:
    """Gradient of :func:`npconv.conv3d` with respect to its bias: the sum over the batch and all outputs.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of shape (batch, channels, depth, height, width), without
        the batch, or, of a single channel, (depth, height, width). With ``layout="channels_last"`` the
        channels come last.
    layout : {"channels_first", "channels_last"}
        Of `grad_out`.

    Returns
    -------
    ndarray of shape (channels,)

    Raises
    ------
    TypeError, ValueError
        No float32 or float64, or another number of axes.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.conv3d_bias(np.ones((2, 3, 4, 4, 4)))
    array([128., 128., 128.])
    """
    return _bias(3, grad_out, layout)
