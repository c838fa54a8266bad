# SPDX-License-Identifier: BSD-3-Clause
"""Fast, exact convolution for NumPy arrays on CPUs.

The names and arguments follow ``torch.nn.functional``; arrays are NumPy arrays of float32 or float64.

>>> import numpy as np, npconv
>>> x = np.ones((1, 1, 4, 4), np.float32)      # batch, channels, height, width
>>> w = np.ones((2, 1, 3, 3), np.float32)      # output channels, input channels, kernel
>>> npconv.conv2d(x, w, padding=1).shape
(1, 2, 4, 4)
"""

from __future__ import annotations

import os as _os

from . import _core
from ._config import show_config
from ._conv import conv1d, conv2d, conv3d
from ._plan import ConvPlan, plan_conv
from ._threads import get_num_threads, num_threads, set_num_threads

__version__: str = _core.__version__

__all__ = [
    "ConvPlan",
    "__version__",
    "conv1d",
    "conv2d",
    "conv3d",
    "get_num_threads",
    "num_threads",
    "plan_conv",
    "set_num_threads",
    "show_config",
]

if _isa := _os.environ.get("NPCONV_ISA"):
    _core._set_isa(_isa)  # ValueError that lists what there is
