# SPDX-License-Identifier: BSD-3-Clause
"""Where an array of a test lies in memory: order of the axes, gaps, directions, byte order, guard pages.

`place` copies an operand into memory of a drawn arrangement, `Result` is an `out`. With a `side` the memory
ends (AFTER) or begins (BEFORE) at an inaccessible page: one byte too far is then a fault.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
from reference import Array

NONE, AFTER, BEFORE = 0, 1, 2  # where the inaccessible page is, as _core._set_guard_pages takes it
TRAITS = ("permuted", "reversed", "sliced", "repeated", "swapped", "misaligned")
NAMES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "fortran": ("fortran",),
    "strided": ("permuted", "reversed", "sliced"),
    **{trait: (trait,) for trait in TRAITS},
}
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def block(size: int, side: int) -> Array:
    """So many bytes, which end or begin at an inaccessible page."""
    if side == NONE:
        return np.empty(size, np.uint8)
    inner = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, inner + 2 * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (address, address + mmap.PAGESIZE + inner):
        if _libc.mprotect(page, mmap.PAGESIZE, mmap.PROT_NONE if hasattr(mmap, "PROT_NONE") else 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    return np.frombuffer(memory, np.uint8, size, mmap.PAGESIZE + (inner - size if side == AFTER else 0))


def repeats(a: Array) -> list[bool]:
    """Of each axis: are the bits of all its entries the same?"""
    words = np.ascontiguousarray(a).view(f"u{a.itemsize}")
    return [bool(n > 1 and (words == words.take([0], i)).all()) for i, n in enumerate(a.shape)]


def without_meaning(
    shape: tuple[int, ...], strides: Sequence[int], item: int, rng: np.random.Generator
) -> list[int]:
    """The strides, any number for each axis of one entry: nobody may follow it."""
    any_number = (0, item, -item, 3 * item, 1000 * item, -(2**40), item + 1)
    return [
        int(rng.choice(any_number)) if n == 1 else stride for n, stride in zip(shape, strides, strict=True)
    ]


def place(a: Array, how: str, rng: np.random.Generator, side: int = NONE) -> Array:
    """The values of `a`, to the bit, in memory of its own. `how` is one of NAMES, or "mixed": any traits.

    permuted: the axes in any order in memory; fortran: in reverse order; reversed: negative strides; sliced:
    gaps between and around the elements, of NaN or the largest integer; repeated: a stride of zero along each
    axis that repeats one entry; swapped: the other byte order; misaligned: one byte off. Whatever `how` is
    (but "plain"), an axis of one entry has any stride: it means nothing.
    """
    traits = NAMES.get(how) or tuple(trait for trait in TRAITS if how == "mixed" and rng.random() < 0.4)
    if a.size == 0 or how == "plain":
        memory = block(a.nbytes, side)
        plain = np.ndarray(a.shape, a.dtype, memory)
        plain[...] = a
        return plain
    axes, item = range(a.ndim), a.itemsize
    order = rng.permutation(a.ndim) if "permuted" in traits else np.arange(a.ndim)
    order = order[::-1] if "fortran" in traits else order
    zero = repeats(a) if "repeated" in traits else [False] * a.ndim
    strides, width = [0] * a.ndim, item
    for axis in order[::-1]:
        if a.shape[axis] > 1 and not zero[axis]:
            strides[axis] = width * (int(rng.integers(1, 4)) if "sliced" in traits else 1)
            width = strides[axis] * a.shape[axis] + item * (int(rng.integers(3)) if "sliced" in traits else 0)
    last = [(n - 1) * stride for n, stride in zip(a.shape, strides, strict=True)]
    if "reversed" in traits:
        backwards = [len(traits) == 1 or rng.random() < 0.5 for _ in axes]
    else:
        backwards = [False] * a.ndim
    first = sum(last[axis] for axis in axes if backwards[axis])
    strides = [-stride if back else stride for stride, back in zip(strides, backwards, strict=True)]
    strides = without_meaning(a.shape, strides, item, rng)
    size, odd = sum(last) + item, int("misaligned" in traits)
    memory = block(size + odd, side)
    dtype = a.dtype.newbyteorder() if "swapped" in traits else a.dtype
    between: Any = np.nan if a.dtype.kind == "f" else np.iinfo(a.dtype).max
    memory[odd if side != AFTER else 0 :][:size].view(dtype)[...] = between
    placed = np.ndarray(a.shape, dtype, memory, first + (odd if side != AFTER else 0), strides)
    placed[...] = a
    return placed


class Result:
    """An `out`, its images apart and perhaps in reverse order, in memory full of one byte.

    What is not `out` must keep this byte.
    """

    BYTE = 0xA5

    def __init__(
        self, shape: tuple[int, ...], dtype: str, batched: bool, rng: np.random.Generator, side: int = NONE
    ) -> None:
        size = np.dtype(dtype).itemsize
        images, inner = (shape[0], shape[1:]) if batched else (1, shape)
        image = math.prod(inner) * size
        step = image + size * int(rng.integers(9)) if batched else image
        around = 0 if side else 7 * size
        self.memory = block(max(images - 1, 0) * step + (image if images else 0) + 2 * around, side)
        self.memory[...] = self.BYTE
        strides = np.empty(inner, dtype).strides
        first = around
        if batched and images and rng.random() < 0.3:
            first, step = around + (images - 1) * step, -step
        strides = without_meaning(shape, (step, *strides) if batched else strides, size, rng)
        self.out: Array = np.ndarray(shape, dtype, self.memory, first if math.prod(shape) else 0, strides)

    def damage(self) -> str | None:
        """What has been written beside `out`, in words, or None; called once, at the end."""
        self.out[...] = np.full(self.out.dtype.itemsize, self.BYTE, np.uint8).view(self.out.dtype)[0]
        where = np.flatnonzero(self.memory != self.BYTE)
        return f"memory beside out was written, at bytes {where[:5]}" if len(where) else None
