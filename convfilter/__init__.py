"""Filter images with convolution kernels: exact results in plain numpy.

An image is an array of shape (rows, columns) or (rows, columns, channels). Positions are (row, column), not
(x, y). Integers range from 0 to their type's largest value and floats from 0 to 1: their *full scale*. Values
outside are kept by `correlate` and related functions, and handled by the `range` of `apply_kernel`.
With 2 or 4 channels the last one is alpha.

>>> import numpy as np
>>> import convfilter as cf
>>> cf.correlate(np.arange(9).reshape(3, 3), [[0, 1], [2, 3]], padding="valid")
array([[19, 25],
       [37, 43]])
>>> cf.output_shape((28, 28), (3, 3), padding="valid")
(26, 26)
>>> cf.apply_kernel(np.eye(3, dtype=np.uint8) * 90, "box:size=3")
array([[50, 30, 10],
       [30, 30, 30],
       [10, 30, 50]], dtype=uint8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convfilter.errors import ConvfilterError, ImageError, KernelError, OptionError, ShapeError

if TYPE_CHECKING:
    from convfilter.batch import filter_file
    from convfilter.convolution import convolve, correlate, correlate_channels
    from convfilter.convolution.gradients import input_gradient, kernel_gradient
    from convfilter.filtering import apply_kernel
    from convfilter.geometry import output_shape
    from convfilter.kernels import Kernel, get_kernel, load_kernels
    from convfilter.learning import fit_kernel

__version__ = "1.1.0"

__all__ = [
    "ConvfilterError",
    "ImageError",
    "Kernel",
    "KernelError",
    "OptionError",
    "ShapeError",
    "apply_kernel",
    "convolve",
    "correlate",
    "correlate_channels",
    "filter_file",
    "fit_kernel",
    "get_kernel",
    "input_gradient",
    "kernel_gradient",
    "load_kernels",
    "output_shape",
]

# Modules are imported when a name is first used: `convfilter shape` needs no numpy, and starts several times
# as fast without it.
_MODULES = {
    "Kernel": "kernels",
    "apply_kernel": "filtering",
    "convolve": "convolution",
    "correlate": "convolution",
    "correlate_channels": "convolution",
    "filter_file": "batch",
    "fit_kernel": "learning",
    "get_kernel": "kernels",
    "input_gradient": "convolution.gradients",
    "kernel_gradient": "convolution.gradients",
    "load_kernels": "kernels",
    "output_shape": "geometry",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
