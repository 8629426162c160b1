"""What a named kernel is, and the files that name them.

Nothing here needs numpy until the weights are asked for as arrays: sizes, lists of kernels and
every message about a wrong one come without it.
"""

from convfilter.kernels.kernel import Kernel
from convfilter.kernels.library import get_kernel, load_kernels

__all__ = ["Kernel", "get_kernel", "load_kernels"]
