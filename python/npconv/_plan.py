# SPDX-License-Identifier: BSD-3-Clause
"""Plans: choose and pack once, run many times."""

from __future__ import annotations

from typing import Generic, TypeVar

from ._core import Plan as _Plan
from ._core import SeparablePlan as _SeparablePlan
from ._core import TransposedPlan as _TransposedPlan
from ._core import plan_conv as _plan_conv
from ._pickle import Pickled
from ._types import Activation, ArrayOf, Float, Ints, Layout, NDArray, Padding, PaddingMode, PlanShape

P = TypeVar("P", bound="Planned")


class Planned(Pickled):
    """What plans of all kinds tell about themselves."""

    __slots__ = ()

    _plan: _Plan | _SeparablePlan | _TransposedPlan

    @property
    def x_shape(self) -> tuple[int | None, ...]:
        """Shape of the input; None for a free batch."""
        return self._plan.x_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the result; None for a free batch."""
        return self._plan.output_shape

    @property
    def flops(self) -> int:
        """Multiplications and additions of the definition; those of one image for a free batch."""
        return self._plan.flops

    @property
    def workspace_bytes(self) -> int:
        """All that a call allocates beside its result, with the present number of threads.

        Not counted is the copy of an input of foreign byte order or alignment, or of a volume whose rows do
        not follow each other where only the depth has taps. For a free batch the most that a call may
        allocate.
        """
        return self._plan.workspace_bytes

    @property
    def packed_bytes(self) -> int:
        """Size of the packed weights and bias. That of the copies for pickling is not counted."""
        return self._plan.packed_bytes

    def explain(self) -> str:
        """Tell in words what was chosen and why: algorithm, candidates, tiles, memory, error bound."""
        return self._plan.explain()

    def for_shape(self: P, x_shape: PlanShape) -> P:
        """Make a plan of the same convolution for another input shape, sharing the packed weights.

        Parameters
        ----------
        x_shape : tuple of int, or array of integers
            With as many axes and channels as this plan's.

        Returns
        -------
        plan
            Of the same kind and algorithm. A later ``update_weights`` of one plan does not alter the other.

        Raises
        ------
        ValueError
            A shape that does not fit the weights, or that this plan's algorithm cannot serve with the weights
            as they are packed (Winograd's in three dimensions on a map of very few tiles, say): then another
            plan is needed.
        """
        return wrap(type(self), self._plan.for_shape(x_shape))

    def __copy__(self: P) -> P:
        return self.for_shape(self.x_shape)

    def __deepcopy__(self: P, memo: object) -> P:
        return self.for_shape(self.x_shape)


def wrap(kind: type[P], core: _Plan | _SeparablePlan | _TransposedPlan) -> P:
    """A plan of a kind, which cannot be made directly."""
    plan = object.__new__(kind)
    plan._plan = core
    return plan


class ConvPlan(Planned, Generic[Float]):
    """A convolution with its decisions made and its weights packed.

    Made by :func:`plan_conv`, or of a transposed convolution by :func:`plan_conv_transpose`. Type checkers
    tell its dtype: ``ConvPlan[np.float32]``.

    Calling it computes. It may be called from several threads at once.

    It has two copies of the weights: packed (:attr:`packed_bytes`), and as they were given, which another
    plan of :meth:`for_shape` shares. A pickle has the settings and the weights as they were given; the plan
    is packed anew where it is loaded, for the processor there, with the algorithm that ``"measure"`` chose.
    On the same machine it computes the same results, bit by bit.
    """

    __slots__ = ()

    _plan: _Plan | _TransposedPlan

    def __init__(self) -> None:
        raise TypeError("ConvPlan cannot be made directly; use npconv.plan_conv(x_shape, w, ...)")

    def __call__(
        self, x: ArrayOf[Float], *, residual: ArrayOf[Float] | None = None, out: NDArray[Float] | None = None
    ) -> NDArray[Float]:
        """Convolve x.

        Parameters
        ----------
        x : array_like
            Of the shape and dtype that the plan was made for. A plan for any batch takes one image without
            the batch, too.
        residual : array_like of the result's shape, optional
            Added before the activation. Not of a transposed convolution.
        out : ndarray, optional
            As in :func:`npconv.conv2d`.

        Returns
        -------
        ndarray
            `out`, or a new array of shape :attr:`output_shape`, which lacks the batch where `x` does.

        Raises
        ------
        TypeError, ValueError
            A shape or dtype that is not the plan's, or an `out` that cannot take the result.
        """
        return self._plan(x, residual, out)

    @property
    def algorithm(self) -> str:
        """Name of the algorithm that was chosen."""
        return self._plan.algorithm

    def update_weights(self, w: ArrayOf[Float], bias: ArrayOf[Float] | None = None) -> None:
        """Put other weights in place of the present ones. Calls that are under way finish with the old ones.

        Parameters
        ----------
        w : array_like
            Of the shape and dtype that the plan was made for.
        bias : array_like, optional
            The new bias; None keeps the present one.

        Raises
        ------
        TypeError, ValueError
            Another shape or dtype; the plan is as before then.
        """
        self._plan.update_weights(w, bias)

    def __repr__(self) -> str:
        return f"<npconv.ConvPlan {self.x_shape} -> {self.output_shape}, {self.algorithm}>"


def plan_conv(
    x_shape: PlanShape,
    w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: str = "auto",
    num_threads: int | None = None,
) -> ConvPlan[Float]:
    """Plan a 1-D, 2-D or 3-D convolution: choose the algorithm and pack the weights, once for many calls.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, as for :func:`conv1d`, :func:`conv2d`, :func:`conv3d`; None for the batch means
        any batch, and one image without the batch. The number of spatial axes follows from the number of
        axes of `w` and `x_shape`; three axes each are read as (batch, channels, length).
    w, bias : array_like
        Weights and bias, copied: once packed, and once as they are, for pickling. Their dtype is that of the
        plan.
    stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm
        As in :func:`conv2d`.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    ConvPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv2d`.

    Notes
    -----
    :attr:`ConvPlan.output_shape` tells before anything is computed whether the weights were meant so: those
    of TensorFlow, (height, width, channels, output channels), may fit untransposed, see :func:`conv2d`. Then
    ``assert plan.output_shape[-1] == w.shape[-1]`` (channels last) fails.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> w = np.ones((8, 3, 3, 3), np.float32)
    >>> plan = npconv.plan_conv((None, 3, 32, 32), w, padding="same", activation="relu")
    >>> plan.output_shape
    (None, 8, 32, 32)
    >>> plan(np.zeros((5, 3, 32, 32), np.float32)).shape
    (5, 8, 32, 32)
    """
    core = _plan_conv(
        x_shape, w, bias, stride, padding, dilation, groups, padding_mode, flip, layout, activation,
        algorithm, num_threads,
    )  # fmt: skip
    return wrap(ConvPlan, core)
