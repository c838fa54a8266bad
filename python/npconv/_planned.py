# SPDX-License-Identifier: BSD-3-Clause
"""What plans of all kinds have in common: what they tell of themselves, copies, pickles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from ._core import Plan as _Plan
from ._pickle import FORMAT, restore
from ._types import ArrayOf, Float, NDArray, PlanShape

P = TypeVar("P", bound="Planned")
R = TypeVar("R", bound="Reshaped")


class Planned:
    """What plans of all kinds tell about themselves. They can be pickled and copied."""

    __slots__ = ("_call", "_plan")

    _plan: _Plan
    _call: Callable[..., Any]  # of _plan, bound once: looking it up takes a tenth of a small call
    _made_by: ClassVar[str]  # the public call that makes one
    _called_with: ClassVar[tuple[str, ...]] = ("x_shape",)  # the shapes of what it is called with
    _has_choice: ClassVar[bool] = True  # between algorithms

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} cannot be made directly; use npconv.{self._made_by}")

    @property
    def x_shape(self) -> tuple[int | None, ...]:
        """Shape of the input; None for a free batch."""
        return self._plan.x_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the result; None for a free batch."""
        return self._plan.output_shape

    @property
    def algorithm(self) -> str:
        """Name of the algorithm that was chosen; of one by phases that of the phases."""
        return self._plan.algorithm

    @property
    def flops(self) -> int:
        """Operations of the definition; those of one image for a free batch.

        Multiplications and additions. Of a pooling a comparison, an addition or a power for each tap of each
        window.
        """
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

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return restore, (FORMAT, *self._plan.state())

    def __repr__(self) -> str:
        operands = ", ".join(str(getattr(self, name)) for name in self._called_with)
        chosen = f", {self.algorithm}" if self._has_choice else ""
        return f"<npconv.{type(self).__name__} {operands} -> {self.output_shape}{chosen}>"


class Reshaped(Planned):
    """Plans that can be made for other shapes."""

    __slots__ = ()

    def for_shape(self: R, x_shape: PlanShape) -> R:
        """Make a plan of the same operation for another input shape, sharing the packed weights.

        Parameters
        ----------
        x_shape : tuple of int, or array of integers
            With as many axes as this plan's, and as many channels where there are weights.

        Returns
        -------
        plan
            Of the same kind and algorithm. A later ``update_weights`` of one plan does not alter the other.

        Raises
        ------
        ValueError
            A shape that does not fit the weights or windows, or that this plan's algorithm cannot serve with
            the weights as they are packed (Winograd's in three dimensions on a map of very few tiles, say):
            then another plan is needed.
        """
        return wrap(type(self), self._plan.for_shape(x_shape))

    def __copy__(self: R) -> R:
        return self.for_shape(self.x_shape)

    def __deepcopy__(self: R, memo: object) -> R:
        return self.for_shape(self.x_shape)


class Layer(Reshaped, Generic[Float]):
    """Plans of convolutions, which take a residual."""

    __slots__ = ()

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
        result: NDArray[Float] = self._call(x, residual, out)
        return result


def wrap(kind: type[P], core: _Plan) -> P:
    """A plan of a kind, which cannot be made directly."""
    plan = object.__new__(kind)
    plan._plan = core
    plan._call = core.__call__
    return plan
