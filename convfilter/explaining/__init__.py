"""One value of a filtered picture, worked out in plain numbers.

`window` gathers the samples under the kernel, `arithmetic` does with them what the engine does, one sum at a
time and independently of it, and `samples` has the true result beside it. Nothing here is drawn or printed.
"""

from __future__ import annotations

from convfilter.explaining.samples import Explanation, explain_numbers, explain_sample

__all__ = ["Explanation", "explain_numbers", "explain_sample"]
