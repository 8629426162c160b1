"""How to filter: the options of a filter and the values that they take."""

from __future__ import annotations

from typing import NamedTuple

from convfilter.geometry import Padding, PerAxis
from convfilter.kernels.kernel import RANGES, Kernel

__all__ = ["ALPHAS", "CHANNELS", "RANGES", "FilterOptions"]

CHANNELS = ("each", "sum", "mean")
ALPHAS = ("auto", "keep", "premultiply", "plain", "drop")


class FilterOptions(NamedTuple):
    """How to filter; see `apply_kernel` for each."""

    padding: Padding = "same"
    border: str = "edge"
    fill: float = 0.0
    stride: PerAxis = 1
    dilation: PerAxis = 1
    flip: bool = False
    channels: str = "each"
    range: str = "auto"
    alpha: str = "auto"
    linear: bool = False

    def resolved_range(self, kernel: Kernel) -> str:
        """Return what ``auto`` means for a kernel."""
        chosen = kernel.range if self.range == "auto" else self.range
        if chosen != "auto":
            return chosen
        edges = kernel.is_zero_sum and len(kernel.parts) == 1 and not kernel.offset
        return "absolute" if edges else "clip"
