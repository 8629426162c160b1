"""One value of a filtered picture, worked out in plain numbers.

`window` gathers the samples under the kernel, `pieces` multiplies and adds them, `arithmetic` does what
follows, one step at a time and independently of the engine; `samples` and `numbers` have the true result
beside it, and `records` is what they tell. Nothing here is drawn or printed.
"""

from __future__ import annotations

from convfilter.explaining.numbers import explain_numbers
from convfilter.explaining.records import Explanation
from convfilter.explaining.samples import explain_sample

__all__ = ["Explanation", "explain_numbers", "explain_sample"]
