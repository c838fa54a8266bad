# SPDX-License-Identifier: BSD-3-Clause
"""Plans of max, average and norm pooling: windows, kernels and blocks chosen once, for many calls."""

from __future__ import annotations

from typing import Any, Generic, Literal, overload

import numpy as np

from ._core import plan_avg_pool as _plan_avg_pool
from ._core import plan_lp_pool as _plan_lp_pool
from ._core import plan_max_pool as _plan_max_pool
from ._planned import Reshaped, wrap
from ._types import ArrayOf, Float, IndexArray, Ints, Layout, NDArray, Number, Padding, PlanShape

_MAKERS = "plan_max_pool(x_shape, kernel_size, ...), plan_avg_pool or plan_lp_pool"


class PoolPlan(Reshaped, Generic[Number]):
    """A pooling with its decisions made.

    Made by :func:`plan_max_pool`, :func:`plan_avg_pool` or :func:`plan_lp_pool`. Type checkers tell its
    dtype: ``PoolPlan[np.float32]``.

    Calling it computes. It may be called from several threads at once. Results are those of the function,
    bit by bit. A pickle has the settings; the plan is made anew where it is loaded, for the processor there.
    """

    __slots__ = ()

    _made_by = _MAKERS

    def __call__(self, x: ArrayOf[Number], *, out: NDArray[Number] | None = None) -> NDArray[Number]:
        """Pool x.

        Parameters
        ----------
        x : array_like
            Of the shape and dtype that the plan was made for. A plan for any batch takes one image without
            the batch, too.
        out : ndarray, optional
            Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may not
            overlap x.

        Returns
        -------
        ndarray
            `out`, or a new array of shape :attr:`output_shape`, which lacks the batch where `x` does.

        Raises
        ------
        TypeError, ValueError
            A shape or dtype that is not the plan's, or an `out` that cannot take the result, which is
            untouched then.
        """
        result: NDArray[Number] = self._call(x, None, out)
        return result


class IndexedPoolPlan(Reshaped, Generic[Number]):
    """A max pooling that tells where the maxima are: what :func:`plan_max_pool` makes with `return_indices`.

    As :class:`PoolPlan`, but a call returns a tuple.
    """

    __slots__ = ()

    _made_by = _MAKERS

    def __call__(
        self, x: ArrayOf[Number], *, out: NDArray[Number] | None = None
    ) -> tuple[NDArray[Number], IndexArray]:
        """Pool x.

        Parameters and errors are those of :meth:`PoolPlan.__call__`.

        Returns
        -------
        (ndarray, ndarray of int64)
            The result, and the places of the maxima as of :func:`max_pool2d`, both of shape
            :attr:`output_shape`.
        """
        result: tuple[NDArray[Number], IndexArray] = self._call(x, None, out)
        return result


@overload
def plan_max_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", dtype: None = None, num_threads: int | None = None,
) -> PoolPlan[np.float32]: ...  # fmt: skip
@overload
def plan_max_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[False] = False,
    layout: Layout = "channels_first", dtype: type[Number] | np.dtype[Number], num_threads: int | None = None,
) -> PoolPlan[Number]: ...  # fmt: skip
@overload
def plan_max_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[True],
    layout: Layout = "channels_first", dtype: None = None, num_threads: int | None = None,
) -> IndexedPoolPlan[np.float32]: ...  # fmt: skip
@overload
def plan_max_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: Literal[True],
    layout: Layout = "channels_first", dtype: type[Number] | np.dtype[Number], num_threads: int | None = None,
) -> IndexedPoolPlan[Number]: ...  # fmt: skip
@overload
def plan_max_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
    layout: Layout = "channels_first", dtype: object = None, num_threads: int | None = None,
) -> PoolPlan[Any] | IndexedPoolPlan[Any]: ...  # fmt: skip
def plan_max_pool(
    x_shape: PlanShape,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout = "channels_first",
    dtype: object = None,
    num_threads: int | None = None,
) -> PoolPlan[Any] | IndexedPoolPlan[Any]:
    """Plan a 1-D, 2-D or 3-D max pooling: choose kernels and blocks once, for many calls.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, as for :func:`max_pool1d`, :func:`max_pool2d`, :func:`max_pool3d`; None for
        the batch means any batch, and one image without the batch.
    kernel_size : int or tuple of int
        Size of the window. A tuple has an entry for each spatial axis, and says how many there are. An int
        stands for all spatial axes of an `x_shape` with batch and channels: three axes are read as (batch,
        channels, length), four as images, five as volumes.
    stride, padding, dilation, ceil_mode, return_indices, layout
        As in :func:`max_pool2d`.
    dtype : dtype-like, optional
        Of x and the result; by default float32.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    PoolPlan, or with `return_indices` an IndexedPoolPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`max_pool2d`; ValueError where an int `kernel_size` leaves open how many spatial axes
        there are.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> plan = npconv.plan_max_pool((None, 64, 112, 112), 3, stride=2, padding=1)
    >>> plan.output_shape
    (None, 64, 56, 56)
    >>> plan(np.zeros((5, 64, 112, 112), np.float32)).shape
    (5, 64, 56, 56)
    >>> npconv.plan_max_pool((8, 8), (2, 2), dtype=np.uint8)(np.zeros((8, 8), np.uint8)).shape
    (4, 4)
    """
    core = _plan_max_pool(
        x_shape, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout,
        np.float32 if dtype is None else dtype, num_threads,
    )  # fmt: skip
    if return_indices:
        return wrap(IndexedPoolPlan, core)
    return wrap(PoolPlan, core)


@overload
def plan_avg_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first", dtype: None = None, num_threads: int | None = None,
) -> PoolPlan[np.float32]: ...  # fmt: skip
@overload
def plan_avg_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first", dtype: type[Float] | np.dtype[Float], num_threads: int | None = None,
) -> PoolPlan[Float]: ...  # fmt: skip
@overload
def plan_avg_pool(
    x_shape: PlanShape, kernel_size: Ints, *, stride: Ints | None = None, padding: Padding = 0,
    dilation: Ints = 1, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first", dtype: object = None, num_threads: int | None = None,
) -> PoolPlan[Any]: ...  # fmt: skip
def plan_avg_pool(
    x_shape: PlanShape,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: Layout = "channels_first",
    dtype: object = None,
    num_threads: int | None = None,
) -> PoolPlan[Any]:
    """Plan a 1-D, 2-D or 3-D average pooling: choose kernels and blocks once, for many calls.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, as for :func:`avg_pool1d`, :func:`avg_pool2d`, :func:`avg_pool3d`; None for
        the batch means any batch, and one image without the batch.
    kernel_size : int or tuple of int
        As in :func:`plan_max_pool`.
    stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, layout
        As in :func:`avg_pool2d`.
    dtype : dtype-like, optional
        Of x and the result; by default float32.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    PoolPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`avg_pool2d`; ValueError where an int `kernel_size` leaves open how many spatial axes
        there are.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> plan = npconv.plan_avg_pool((1, 1, 4), 2)
    >>> plan(np.array([[[1, 3, 5, 9]]], np.float32))
    array([[[2., 7.]]], dtype=float32)
    """
    core = _plan_avg_pool(
        x_shape, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override,
        layout, np.float32 if dtype is None else dtype, num_threads,
    )  # fmt: skip
    return wrap(PoolPlan, core)


@overload
def plan_lp_pool(
    x_shape: PlanShape, norm_type: float, kernel_size: Ints, *, stride: Ints | None = None,
    padding: Padding = 0, dilation: Ints = 1, ceil_mode: bool = False, layout: Layout = "channels_first",
    dtype: None = None, num_threads: int | None = None,
) -> PoolPlan[np.float32]: ...  # fmt: skip
@overload
def plan_lp_pool(
    x_shape: PlanShape, norm_type: float, kernel_size: Ints, *, stride: Ints | None = None,
    padding: Padding = 0, dilation: Ints = 1, ceil_mode: bool = False, layout: Layout = "channels_first",
    dtype: type[Float] | np.dtype[Float], num_threads: int | None = None,
) -> PoolPlan[Float]: ...  # fmt: skip
@overload
def plan_lp_pool(
    x_shape: PlanShape, norm_type: float, kernel_size: Ints, *, stride: Ints | None = None,
    padding: Padding = 0, dilation: Ints = 1, ceil_mode: bool = False, layout: Layout = "channels_first",
    dtype: object = None, num_threads: int | None = None,
) -> PoolPlan[Any]: ...  # fmt: skip
def plan_lp_pool(
    x_shape: PlanShape,
    norm_type: float,
    kernel_size: Ints,
    *,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    layout: Layout = "channels_first",
    dtype: object = None,
    num_threads: int | None = None,
) -> PoolPlan[Any]:
    """Plan a 1-D, 2-D or 3-D norm pooling: choose kernels and blocks once, for many calls.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, as for :func:`lp_pool1d`, :func:`lp_pool2d`, :func:`lp_pool3d`; None for
        the batch means any batch, and one image without the batch.
    norm_type : float
        The p of the norm, as in :func:`lp_pool2d`.
    kernel_size : int or tuple of int
        As in :func:`plan_max_pool`.
    stride, padding, dilation, ceil_mode, layout
        As in :func:`lp_pool2d`.
    dtype : dtype-like, optional
        Of x and the result; by default float32.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    PoolPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`lp_pool2d`; ValueError where an int `kernel_size` leaves open how many spatial axes
        there are.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> plan = npconv.plan_lp_pool((1, 1, 4), 2, 2)
    >>> plan(np.array([[[3, 4, 6, 8]]], np.float32))
    array([[[ 5., 10.]]], dtype=float32)
    """
    core = _plan_lp_pool(
        x_shape, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout,
        np.float32 if dtype is None else dtype, num_threads,
    )  # fmt: skip
    return wrap(PoolPlan, core)
