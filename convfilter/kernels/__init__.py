"""Named kernels and the files that define them. No numpy is loaded until weights are used as arrays."""

from convfilter.kernels.kernel import Kernel
from convfilter.kernels.library import KernelLike, Library, files_of, get_chain, get_kernel, load_kernels

__all__ = ["Kernel", "KernelLike", "Library", "files_of", "get_chain", "get_kernel", "load_kernels"]
