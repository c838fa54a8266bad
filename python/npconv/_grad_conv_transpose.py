# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of transposed convolutions."""

from __future__ import annotations

from ._core import grad_conv_transpose_input as _transpose_input
from ._core import grad_conv_transpose_weight as _transpose_weight
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding, Shape


def conv_transpose1d_input(
    input_shape: Shape,
    w: ArrayOf[Float],
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of :func:`npconv.conv_transpose1d` with respect to x: the convolution whose adjoint it is.

    What was cut off the result counts as zeros, as the border of a convolution does.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of x, in the form and layout that the transposed convolution had.
    w : array_like
        The weights, of shape (channels, output channels / groups, kernel).
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of the result's shape.
    stride, padding, output_padding, dilation, groups, layout
        Of the transposed convolution.
    algorithm : str
        As in :func:`npconv.conv2d`, but ``"winograd"`` not along the depth alone.
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
        As :func:`npconv.conv_transpose1d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    It is exact as the algorithm is in :func:`npconv.conv2d`, with the weights' axes 0 and 1 in each other's
    place: ``"gemm"``, ``"depthwise"``, ``"direct"`` and ``"naive"`` on small integers, too. ``"auto"`` may
    take Winograd's.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> g = np.ones((1, 1, 4))
    >>> npconv.grad.conv_transpose1d_input((1, 2, 2), np.ones((2, 1, 2)), g, stride=2).shape
    (1, 2, 2)
    """
    return _transpose_input(
        1, input_shape, w, grad_out, stride, padding, output_padding, dilation, groups, layout, algorithm,
        out, num_threads,
    )  # fmt: skip


def conv_transpose1d_weight(
    x: ArrayOf[Float],
    weight_shape: Shape,
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of :func:`npconv.conv_transpose1d` with respect to w: a sum over the batch and all of x.

    What was cut off the result counts as zeros: zero times an infinite x is NaN.

    Parameters
    ----------
    x : array_like of float32 or float64
        The input of the transposed convolution.
    weight_shape : tuple of int
        (channels, output channels / groups, kernel).
    grad_out : array_like
        The gradient with respect to the result, of the result's shape.
    stride, padding, output_padding, dilation, groups, layout
        Of the transposed convolution.
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
        As :func:`npconv.conv_transpose1d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    As exact as :func:`conv1d_weight`: there is one way, never Winograd's.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x, g = np.ones((1, 2, 2)), np.ones((1, 1, 4))
    >>> npconv.grad.conv_transpose1d_weight(x, (2, 1, 2), g, stride=2).shape
    (2, 1, 2)
    """
    return _transpose_weight(
        1, x, weight_shape, grad_out, stride, padding, output_padding, dilation, groups, layout, out,
        num_threads,
    )  # fmt: skip


def conv_transpose2d_input(
    input_shape: Shape,
    w: ArrayOf[Float],
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of :func:`npconv.conv_transpose2d` with respect to x: the convolution whose adjoint it is.

    What was cut off the result counts as zeros, as the border of a convolution does.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of x, in the form and layout that the transposed convolution had.
    w : array_like
        The weights, of shape (channels, output channels / groups, kernel height, kernel width).
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of the result's shape.
    stride, padding, output_padding, dilation, groups, layout
        Of the transposed convolution.
    algorithm : str
        As in :func:`npconv.conv2d`, but ``"winograd"`` not along the depth alone.
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
        As :func:`npconv.conv_transpose2d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    It is exact as the algorithm is in :func:`npconv.conv2d`, with the weights' axes 0 and 1 in each other's
    place: ``"gemm"``, ``"depthwise"``, ``"direct"`` and ``"naive"`` on small integers, too. ``"auto"`` may
    take Winograd's.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> g = np.ones((1, 1, 4, 4))
    >>> npconv.grad.conv_transpose2d_input((1, 2, 2, 2), np.ones((2, 1, 2, 2)), g, stride=2).shape
    (1, 2, 2, 2)
    """
    return _transpose_input(
        2, input_shape, w, grad_out, stride, padding, output_padding, dilation, groups, layout, algorithm,
        out, num_threads,
    )  # fmt: skip


def conv_transpose2d_weight(
    x: ArrayOf[Float],
    weight_shape: Shape,
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of :func:`npconv.conv_transpose2d` with respect to w: a sum over the batch and all of x.

    What was cut off the result counts as zeros: zero times an infinite x is NaN.

    Parameters
    ----------
    x : array_like of float32 or float64
        The input of the transposed convolution.
    weight_shape : tuple of int
        (channels, output channels / groups, kernel height, kernel width).
    grad_out : array_like
        The gradient with respect to the result, of the result's shape.
    stride, padding, output_padding, dilation, groups, layout
        Of the transposed convolution.
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
        As :func:`npconv.conv_transpose2d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    As exact as :func:`conv2d_weight`: there is one way, never Winograd's.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x, g = np.ones((1, 2, 2, 2)), np.ones((1, 1, 4, 4))
    >>> npconv.grad.conv_transpose2d_weight(x, (2, 1, 2, 2), g, stride=2).shape
    (2, 1, 2, 2)
    """
    return _transpose_weight(
        2, x, weight_shape, grad_out, stride, padding, output_padding, dilation, groups, layout, out,
        num_threads,
    )  # fmt: skip


def conv_transpose3d_input(
    input_shape: Shape,
    w: ArrayOf[Float],
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of :func:`npconv.conv_transpose3d` with respect to x: the convolution whose adjoint it is.

    What was cut off the result counts as zeros, as the border of a convolution does.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of x, in the form and layout that the transposed convolution had.
    w : array_like
        The weights, of shape (channels, output channels / groups, kernel depth, kernel height, kernel width).
    grad_out : array_like of float32 or float64
        The gradient with respect to the result, of the result's shape.
    stride, padding, output_padding, dilation, groups, layout
        Of the transposed convolution.
    algorithm : str
        As in :func:`npconv.conv2d`, but ``"winograd"`` not along the depth alone.
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
        As :func:`npconv.conv_transpose3d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    It is exact as the algorithm is in :func:`npconv.conv2d`, with the weights' axes 0 and 1 in each other's
    place: ``"gemm"``, ``"depthwise"``, ``"direct"`` and ``"naive"`` on small integers, too. ``"auto"`` may
    take Winograd's.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> g = np.ones((1, 1, 4, 4, 4))
    >>> npconv.grad.conv_transpose3d_input((1, 2, 2, 2, 2), np.ones((2, 1, 2, 2, 2)), g, stride=2).shape
    (1, 2, 2, 2, 2)
    """
    return _transpose_input(
        3, input_shape, w, grad_out, stride, padding, output_padding, dilation, groups, layout, algorithm,
        out, num_threads,
    )  # fmt: skip


def conv_transpose3d_weight(
    x: ArrayOf[Float],
    weight_shape: Shape,
    grad_out: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of :func:`npconv.conv_transpose3d` with respect to w: a sum over the batch and all of x.

    What was cut off the result counts as zeros: zero times an infinite x is NaN.

    Parameters
    ----------
    x : array_like of float32 or float64
        The input of the transposed convolution.
    weight_shape : tuple of int
        (channels, output channels / groups, kernel depth, kernel height, kernel width).
    grad_out : array_like
        The gradient with respect to the result, of the result's shape.
    stride, padding, output_padding, dilation, groups, layout
        Of the transposed convolution.
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
        As :func:`npconv.conv_transpose3d`; ValueError, too, where `grad_out` has another shape.

    Notes
    -----
    As exact as :func:`conv3d_weight`: there is one way, never Winograd's.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x, g = np.ones((1, 2, 2, 2, 2)), np.ones((1, 1, 4, 4, 4))
    >>> npconv.grad.conv_transpose3d_weight(x, (2, 1, 2, 2, 2), g, stride=2).shape
    (2, 1, 2, 2, 2)
    """
    return _transpose_weight(
        3, x, weight_shape, grad_out, stride, padding, output_padding, dilation, groups, layout, out,
        num_threads,
    )  # fmt: skip
