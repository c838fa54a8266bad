# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of max_pool{N}d, adaptive_max_pool{N}d and max_unpool{N}d: along the indices, for N = 1, 2, 3."""

from __future__ import annotations

from ._core import grad_max_pool as _grad_max_pool
from ._core import grad_max_unpool as _grad_max_unpool
from ._types import ArrayLike, ArrayOf, Float, Layout, NDArray, Shape


def max_pool2d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D max pooling: each element of grad_out goes to the pixel that was the largest.

    .. math:: g[n, c, p] = \sum_{i, j: \; \mathrm{indices}[n, c, i, j] = p} \mathrm{grad\_out}[n, c, i, j]

    with p = row * width + column.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.max_pool2d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.max_pool2d` returns them. -1, a window without a pixel,
        gets nothing.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the form and layout of grad_out.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may overlap
        no other argument. Given, it spares large results the time that new memory takes.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, a dtype of grad_out that is neither float32 nor float64, indices that
        are not int64.
    ValueError
        Sizes that do not fit, unknown names, an index outside the plane.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The elements of a plane are added in row-major order of grad_out. Of equal maxima the pixel that
    :func:`npconv.max_pool2d` names gets it all, as in PyTorch.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 6.0]])
    >>> y, indices = npconv.max_pool2d(image, 2, return_indices=True)
    >>> npconv.grad.max_pool2d(np.array([[10.0, 20.0]]), indices, image.shape)
    array([[ 0., 10.,  0.,  0.],
           [ 0.,  0.,  0., 20.]])
    """
    return _grad_max_pool(2, grad_out, indices, input_shape, layout, out, num_threads)


def max_pool1d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D max pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.max_pool1d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.max_pool1d` returns them.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`max_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.max_pool1d(np.array([1.0, 4.0, 2.0]), 2, stride=1, return_indices=True)
    >>> npconv.grad.max_pool1d(np.array([10.0, 20.0]), indices, (3,))
    array([ 0., 30.,  0.])
    """
    return _grad_max_pool(1, grad_out, indices, input_shape, layout, out, num_threads)


def max_pool3d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D max pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.max_pool3d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.max_pool3d` returns them.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`max_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.max_pool3d(np.arange(8.0).reshape(2, 2, 2), (1, 2, 2), return_indices=True)
    >>> npconv.grad.max_pool3d(np.array([[[10.0]], [[20.0]]]), indices, (2, 2, 2))
    array([[[ 0.,  0.],
            [ 0., 10.]],
    <BLANKLINE>
           [[ 0.,  0.],
            [ 0., 20.]]])
    """
    return _grad_max_pool(3, grad_out, indices, input_shape, layout, out, num_threads)


def adaptive_max_pool2d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 2-D adaptive max pooling: each element of grad_out goes to the pixel that was the largest.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.adaptive_max_pool2d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.adaptive_max_pool2d` returns them.
    input_shape : tuple of int
        Shape of x: (batch, channels, height, width) and the other forms, in the form and layout of grad_out.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may overlap
        no other argument. Given, it spares large results the time that new memory takes.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, a dtype of grad_out that is neither float32 nor float64, indices that
        are not int64.
    ValueError
        Sizes that do not fit, unknown names, an index outside the plane.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    The formula is that of :func:`max_pool2d`: windows of any kind leave their indices.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.array([[1.0, 5.0, 2.0, 0.0, 3.0]])
    >>> y, indices = npconv.adaptive_max_pool2d(image, (1, 2), return_indices=True)
    >>> npconv.grad.adaptive_max_pool2d(np.array([[10.0, 20.0]]), indices, image.shape)
    array([[ 0., 10.,  0.,  0., 20.]])
    """
    return _grad_max_pool(2, grad_out, indices, input_shape, layout, out, num_threads)


def adaptive_max_pool1d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D adaptive max pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.adaptive_max_pool1d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.adaptive_max_pool1d` returns them.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`adaptive_max_pool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.adaptive_max_pool1d(np.array([1.0, 2.0, 4.0, 0.0, 3.0]), 2, return_indices=True)
    >>> npconv.grad.adaptive_max_pool1d(np.array([10.0, 20.0]), indices, (5,))
    array([ 0.,  0., 30.,  0.,  0.])
    """
    return _grad_max_pool(1, grad_out, indices, input_shape, layout, out, num_threads)


def adaptive_max_pool3d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    input_shape: Shape,
    *,
    layout: Layout = "channels_first",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D adaptive max pooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.adaptive_max_pool3d`, of its shape.
    indices : array_like of int64
        Of the shape of grad_out, as :func:`npconv.adaptive_max_pool3d` returns them.
    input_shape : tuple of int
        Shape of x, in the form and layout of grad_out.
    layout, out, num_threads
        As in :func:`adaptive_max_pool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to x, of the shape of x and the dtype of grad_out.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> y, indices = npconv.adaptive_max_pool3d(np.arange(8.0).reshape(2, 2, 2), 1, return_indices=True)
    >>> npconv.grad.adaptive_max_pool3d(np.array([[[10.0]]]), indices, (2, 2, 2))[1]
    array([[ 0.,  0.],
           [ 0., 10.]])
    """
    return _grad_max_pool(3, grad_out, indices, input_shape, layout, out, num_threads)


def max_unpool2d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    *,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Gradient of 2-D max unpooling: what grad_out has where the indices point.

    .. math:: g[n, c, i, j] = \mathrm{grad\_out}[n, c, \mathrm{indices}[n, c, i, j]]

    with each plane of grad_out in one row.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.max_unpool2d`, of its shape.
    indices : array_like of int64
        The indices that were given to :func:`npconv.max_unpool2d`.
    layout : {"channels_first", "channels_last"}
        Of all arrays: NCHW or NHWC.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        Gradient with respect to the x of the unpooling, of the shape of the indices and the dtype of
        grad_out.

    Raises
    ------
    TypeError
        An argument of the wrong type, a dtype of grad_out that is neither float32 nor float64, indices that
        are not int64.
    ValueError
        Sizes that do not fit, unknown names, an index outside the plane.
    MemoryError
        The result cannot be allocated.

    Notes
    -----
    Where several indices are the same, all get what is there, as in PyTorch, although in the unpooling only
    the last one left its mark.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> indices = np.array([[1, 7]])
    >>> npconv.grad.max_unpool2d(np.arange(8.0).reshape(2, 4), indices)
    array([[1., 7.]])
    """
    return _grad_max_unpool(2, grad_out, indices, layout, num_threads)


def max_unpool1d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    *,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 1-D max unpooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.max_unpool1d`, of its shape.
    indices : array_like of int64
        The indices that were given to :func:`npconv.max_unpool1d`.
    layout, num_threads
        As in :func:`max_unpool2d`.

    Returns
    -------
    ndarray
        Gradient with respect to the x of the unpooling, of the shape of the indices.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_unpool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.max_unpool1d(np.array([10.0, 20.0, 30.0, 40.0]), np.array([1, 2]))
    array([20., 30.])
    """
    return _grad_max_unpool(1, grad_out, indices, layout, num_threads)


def max_unpool3d(
    grad_out: ArrayOf[Float],
    indices: ArrayLike,
    *,
    layout: Layout = "channels_first",
    num_threads: int | None = None,
) -> NDArray[Float]:
    """Gradient of 3-D max unpooling.

    Parameters
    ----------
    grad_out : array_like of float32 or float64
        Gradient with respect to the result of :func:`npconv.max_unpool3d`, of its shape.
    indices : array_like of int64
        The indices that were given to :func:`npconv.max_unpool3d`.
    layout, num_threads
        As in :func:`max_unpool2d`, with three spatial axes.

    Returns
    -------
    ndarray
        Gradient with respect to the x of the unpooling, of the shape of the indices.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_unpool2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.grad.max_unpool3d(np.arange(8.0).reshape(2, 2, 2), np.array([[[3]], [[4]]]))
    array([[[3.]],
    <BLANKLINE>
           [[4.]]])
    """
    return _grad_max_unpool(3, grad_out, indices, layout, num_threads)
