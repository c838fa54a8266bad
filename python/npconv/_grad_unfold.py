# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of unfold{N}d and fold{N}d, each the other's adjoint, for N = 1, 2, 3."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ._core import fold as _fold
from ._core import unfold as _unfold
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding, Shape


@contextmanager
def _named(**ours: str) -> Iterator[None]:
    """Let errors of the adjoint name the arguments of the gradient: the caller knows no other."""
    try:
        yield
    except (TypeError, ValueError) as error:
        words = re.compile(rf"(?<![\w'\"])({'|'.join(ours)})(?![\w'\"])")
        error.args = (words.sub(lambda word: ours[word[1]], str(error)),)
        raise


def _shown(value: object) -> str:
    """In one line, and not a long one."""
    text = ascii(value).replace("\n", " ")
    return text if len(text) <= 80 else text[:80] + "..."


def _sizes(rank: int, input_shape: Shape) -> tuple[int, ...]:
    expected = f"input_shape must be a tuple of {rank} to {rank + 2} ints"
    given: object = input_shape
    if type(given) is np.ndarray and given.ndim == 1 and given.dtype.kind in "iuO":
        given = given[:16].tolist()  # a longer one is refused for its length
    if not isinstance(given, (tuple, list)):
        raise TypeError(f"{expected}, got {_shown(input_shape)}")
    sizes = []
    for size in given:
        if isinstance(size, (bool, np.bool_, np.ndarray)) or not hasattr(size, "__index__"):
            raise TypeError(f"{expected}, got {_shown(input_shape)}")
        sizes.append(operator.index(size))
    if not rank <= len(sizes) <= rank + 2:
        raise ValueError(f"{expected}, got {_shown(input_shape)}")
    if min(sizes) < 0:
        raise ValueError(f"input_shape must not have negative entries, got {_shown(input_shape)}")
    return tuple(sizes)


def _unfold_gradient(
    rank: int,
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    layout: Layout,
    num_threads: int | None,
) -> NDArray[Float]:
    sizes = _sizes(rank, input_shape)
    one_channel = len(sizes) == rank
    channels_last = isinstance(layout, str) and layout == "channels_last"
    spatial = sizes[-rank - 1 : -1] if channels_last and not one_channel else sizes[-rank:]
    if min(spatial) < 1:
        raise ValueError(f"input_shape must have spatial sizes of at least 1, got {_shown(input_shape)}")
    with _named(cols="grad_out", output_size="input_shape"):
        gradient = _fold(
            rank, grad_out, spatial, kernel_size, stride, padding, dilation, layout, None, num_threads
        )
    # What remains to be compared is what fold takes from the columns: batch and channels.
    whole = sizes
    if one_channel:
        whole = (*spatial, 1) if channels_last else (1, *spatial)
    if gradient.shape != whole:
        raise ValueError(
            f"grad_out must fit input_shape: of shape {np.shape(grad_out)} it is the gradient of an input of "
            f"shape {gradient.shape}, but input_shape is {_shown(input_shape)}"
        )
    return gradient.reshape(sizes)


def _fold_gradient(
    rank: int,
    grad_out: ArrayOf[Float],
    kernel_size: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    layout: Layout,
    num_threads: int | None,
) -> NDArray[Float]:
    with _named(x="grad_out"):
        return _unfold(rank, grad_out, kernel_size, stride, padding, dilation, layout, None, num_threads)


def unfold2d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 2-D unfolding: the columns, added to where their windows are.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.unfold2d`, of its shape.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the layout of grad_out.
    kernel_size, stride, padding, dilation
        The arguments of :func:`npconv.unfold2d`.
    layout : {"channels_first", "channels_last"}
        Of images: NCHW or NHWC, and of the columns that go with them.
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
        Sizes that do not fit, unknown names.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The gradient of a linear map is its adjoint: this is :func:`npconv.fold2d` with the spatial sizes of
    input_shape.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.unfold2d(np.ones((4, 4)), (3, 3), 2)
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    return _unfold_gradient(
        2, grad_out, input_shape, kernel_size, stride, padding, dilation, layout, num_threads
    )


def unfold1d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D unfolding.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.unfold1d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the layout of grad_out.
    kernel_size, stride, padding, dilation
        The arguments of :func:`npconv.unfold1d`.
    layout, num_threads
        As in :func:`unfold2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`unfold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.unfold1d(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), (4,), 2)
    array([ 1., 12., 23., 30.])
    """
    return _unfold_gradient(
        1, grad_out, input_shape, kernel_size, stride, padding, dilation, layout, num_threads
    )


def unfold3d(
    grad_out: ArrayOf[Float],
    input_shape: Shape,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D unfolding.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.unfold3d`, of its shape.
    input_shape : tuple of int
        Shape of x, in the layout of grad_out.
    kernel_size, stride, padding, dilation
        The arguments of :func:`npconv.unfold3d`.
    layout, num_threads
        As in :func:`unfold2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`unfold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.unfold3d(np.ones((2, 4)), (1, 2, 3), (1, 1, 2))
    array([[[1., 2., 1.],
            [1., 2., 1.]]])
    """
    return _unfold_gradient(
        3, grad_out, input_shape, kernel_size, stride, padding, dilation, layout, num_threads
    )


def fold2d(
    grad_out: ArrayOf[Float],
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 2-D folding: the windows of grad_out, put into columns.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.fold2d`, of its shape.
    kernel_size, stride, padding, dilation
        The arguments of :func:`npconv.fold2d`.
    layout : {"channels_first", "channels_last"}
        Of images: NCHW or NHWC, and of the columns that go with them.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to the columns, of their shape and the dtype of grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, or a dtype that is neither float32 nor float64.
    ValueError
        Sizes that do not fit, unknown names.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The gradient of a linear map is its adjoint: this is :func:`npconv.unfold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.fold2d(np.arange(6.0).reshape(1, 2, 3), 2)
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    return _fold_gradient(2, grad_out, kernel_size, stride, padding, dilation, layout, num_threads)


def fold1d(
    grad_out: ArrayOf[Float],
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D folding.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.fold1d`, of its shape.
    kernel_size, stride, padding, dilation
        The arguments of :func:`npconv.fold1d`.
    layout, num_threads
        As in :func:`fold2d`.

    Returns
    -------
    ndarray
        Gradient with respect to the columns, of their shape.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`fold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.fold1d(np.array([[1.0, 2.0, 3.0, 4.0]]), 2, stride=2)
    array([[1., 3.],
           [2., 4.]])
    """
    return _fold_gradient(1, grad_out, kernel_size, stride, padding, dilation, layout, num_threads)


def fold3d(
    grad_out: ArrayOf[Float],
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D folding.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.fold3d`, of its shape.
    kernel_size, stride, padding, dilation
        The arguments of :func:`npconv.fold3d`.
    layout, num_threads
        As in :func:`fold2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to the columns, of their shape.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`fold2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.fold3d(np.arange(6.0).reshape(1, 1, 2, 3), (1, 2, 2))
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    return _fold_gradient(3, grad_out, kernel_size, stride, padding, dilation, layout, num_threads)
