# SPDX-License-Identifier: BSD-3-Clause
"""How many threads a call may use.

The first of these that says something counts: the ``num_threads`` argument, the innermost
``with npconv.num_threads(n)`` of the thread or task, ``set_num_threads``, threadpoolctl's limit,
``OMP_NUM_THREADS``, the CPUs that the process may run on. Results never depend on it.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType

from . import _core


def set_num_threads(n: int | None) -> None:
    """Set the number of threads for all calls of the process that are not told otherwise.

    Parameters
    ----------
    n : int or None
        1 to 1024; None: back to threadpoolctl, environment and affinity.

    Raises
    ------
    TypeError, ValueError
        Not an int; out of range.

    Examples
    --------
    >>> import npconv
    >>> npconv.set_num_threads(2)
    >>> npconv.get_num_threads()
    2
    >>> npconv.set_num_threads(None)
    """
    _core.set_num_threads(n)


def get_num_threads() -> int:
    """Tell how many threads a call made here and now may use.

    Returns
    -------
    int

    Examples
    --------
    >>> import npconv
    >>> with npconv.num_threads(3):
    ...     npconv.get_num_threads()
    3
    """
    return _core.get_num_threads()


# What the enclosing contexts of this thread or task said. Kept here, not in the context manager, so that one
# of them may serve several threads and tasks at a time.
_enclosing: ContextVar[tuple[int | None, ...]] = ContextVar("npconv_enclosing", default=())


class num_threads:
    """Context manager: at most n threads for the calls inside, in this thread or asyncio task only.

    Parameters
    ----------
    n : int
        1 to 1024.

    Raises
    ------
    TypeError, ValueError
        Not an int; out of range.

    Examples
    --------
    >>> import npconv
    >>> with npconv.num_threads(1):
    ...     npconv.get_num_threads()
    1
    """

    def __init__(self, n: int) -> None:
        if n is None:
            raise TypeError("num_threads must be an int, got None")
        self._n = _core.parse_num_threads(n)

    def __enter__(self) -> None:
        _enclosing.set((*_enclosing.get(), _core.num_threads_variable.get()))
        _core.num_threads_variable.set(self._n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        *outer, previous = _enclosing.get()
        _enclosing.set(tuple(outer))
        _core.num_threads_variable.set(previous)
