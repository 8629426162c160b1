"""What a kernel leaves over: its residuals on the blocks, and the gradient that they give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convfilter.convolution.gradients import kernel_gradient
from convfilter.convolution.recipes import Workspace
from convfilter.convolution.window import WindowSum
from convfilter.learning.sampling import Job, in_lots

__all__ = ["Check", "check_weights"]

# Numbers of a stack of blocks.
_STACK = 2**19


@dataclass
class Check:
    """What a kernel leaves over.

    Attributes
    ----------
    squares, counts : list of two numbers
        Sum of squares of all outputs together, and how many samples: learned from, and held out.
    gradient : ndarray of shape (O, channels, rows, columns)
        Half the derivative of the mean square, and the ridge, by the weights.
    drift : float
        The same by the offset.
    """

    squares: list[float]
    counts: list[int]
    gradient: np.ndarray
    drift: float


def check_weights(jobs: Sequence[Job], weights: np.ndarray, offset: float) -> Check:
    """Apply a kernel to all blocks and compare."""

    def work(lot: Sequence[Job], workspace: Workspace) -> Check:
        return _compared(lot, weights, offset, workspace)

    parts = in_lots(list(_stacks(jobs)), work)
    squares, counts = (
        [sum(each) for each in zip(*(getattr(part, key) for part in parts), strict=True)]
        for key in ("squares", "counts")
    )
    return Check(
        squares,
        counts,
        np.sum([part.gradient for part in parts], axis=0) / counts[0],
        sum(part.drift for part in parts) / counts[0],
    )


def _stacks(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Put blocks of one pair together, as many as are handled well at a time."""
    stack: list[Job] = []
    for job in jobs:
        if stack and (job.pair is not stack[0].pair or (len(stack) + 1) * _numbers(job) > _STACK):
            yield stack
            stack = []
        stack.append(job)
    yield stack


def _numbers(job: Job) -> int:
    """How many numbers a block and its outputs are, about."""
    height, width = job.region.shape
    channel, row, column = (axis.kernel - 1 for axis in job.pair.axes)
    return (channel + 1) * (height + row) * (width + column) * job.pair.carried


def _compared(jobs: Sequence[Job], weights: np.ndarray, offset: float, workspace: Workspace) -> Check:
    """Compare some blocks of a pair with what the kernel makes of them."""
    pair = jobs[0].pair
    full, scale = pair.depth_after.full, pair.depth_after.full / pair.depth_before.full
    # Blocks differ by a row or column; what one lacks is left zero.
    height, width = np.max([job.region.shape for job in jobs], axis=0).tolist()
    shape = [count + axis.kernel - 1 for count, axis in zip((1, height, width), pair.axes, strict=True)]
    samples = np.zeros((len(jobs), *shape, pair.carried))
    residuals = np.zeros((len(weights), len(jobs), 1, height, width, pair.carried))
    sums = [WindowSum(kernel * scale, pair.axes) for kernel in weights]
    squares, counts = [0.0, 0.0], [0, 0]
    for number, job in enumerate(jobs):
        workspace.level = 0
        block = pair.read(job.region, workspace)
        level = workspace.level
        counts[job.held_out] += int(block.mask.sum())
        for output, window in enumerate(sums):
            workspace.level = level
            residual = window.recipe(block.samples, (1, *job.region.shape), workspace)()[0]
            residual += offset * full
            residual *= block.mask
            residual -= block.outputs[output]
            residual /= full
            squares[job.held_out] += float(np.einsum("abc,abc->", residual, residual))
            if not job.held_out:
                rows, columns = job.region.shape
                residuals[output, number, 0, :rows, :columns] = residual
        taken = block.samples
        samples[number, :, : taken.shape[1], : taken.shape[2]] = taken
    # The blocks are the first axis, along which the kernel is one long.
    shape = [1, *weights.shape[1:]]
    slopes = [kernel_gradient(samples, residual, shape, padding="valid")[0] for residual in residuals]
    return Check(squares, counts, np.stack(slopes) / pair.depth_before.full, float(residuals.sum()))
