"""A chain of convolution layers on paper: sizes, weights, multiplications and receptive fields.

Plain integers; nothing is computed and nothing is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convfilter.errors import ShapeError
from convfilter.geometry import PADDINGS, Axis, Padding, PerAxis, axes_of

__all__ = ["Layer", "Report", "follow", "output_of"]


class Layer(NamedTuple):
    """One layer, as far as its size goes.

    Attributes
    ----------
    name : str
        What messages call it.
    window : tuple of int
        Weights along each axis: (rows, columns) or (length,).
    parts : int
        Tables of weights that are combined into one result.
    channels, outputs : int or None
        Channels that its kernel is made for and gives; None where it takes any.
    frames : int
        Frames that it spans, if they are no axis of the window.
    """

    name: str
    window: tuple[int, ...]
    parts: int = 1
    channels: int | None = None
    outputs: int | None = None
    frames: int = 1

    def over_frames(self) -> Layer:
        """Return the layer with its frames as the first axis of the window."""
        return self._replace(window=(self.frames, *self.window), frames=1)


class Report(NamedTuple):
    """What one layer does to sizes.

    Attributes
    ----------
    layer : Layer
        The layer.
    size : tuple of int
        What goes in, one number an axis.
    rows : dict of str to tuple of Axis
        The axes for each padding that was looked at; ``output`` of an axis may be below 1.
    counted : str
        The row that the counts are about, and that the next layer follows.
    channels, outputs : int
        Channels that go in and come out.
    receptive_field : tuple of int
        Samples of the chain's input that one output depends on, one number an axis.
    """

    layer: Layer
    size: tuple[int, ...]
    rows: dict[str, tuple[Axis, ...]]
    counted: str
    channels: int
    outputs: int
    receptive_field: tuple[int, ...]

    @property
    def output(self) -> tuple[int, ...] | None:
        """What comes out of the counted row, or None if that is nothing."""
        return output_of(self.rows[self.counted])

    @property
    def weights(self) -> int:
        """Weights of all parts, input and output channels; there are no biases."""
        layer = self.layer
        return layer.parts * layer.frames * math.prod(layer.window) * self.channels * self.outputs

    @property
    def multiplications(self) -> int:
        """Products that the counted row takes."""
        return self.weights * math.prod(self.output or (0,))

    @property
    def fully_connected(self) -> int:
        """Weights of a layer in which every output depends on every input."""
        return self.channels * math.prod(self.size) * self.outputs * math.prod(self.output or (0,))


def output_of(axes: Sequence[Axis]) -> tuple[int, ...] | None:
    """Return the output size of axes, or None if nothing comes out."""
    sizes = tuple(axis.output for axis in axes)
    return sizes if min(sizes) > 0 else None


def follow(
    size: tuple[int, ...],
    layers: Sequence[Layer],
    *,
    padding: Padding | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    channels: int | None = None,
    outputs: int | None = None,
) -> list[Report]:
    """Follow a size through layers, the output of one being the input of the next.

    Parameters
    ----------
    size : tuple of int
        Samples along each axis.
    layers : sequence of Layer
        In the order in which they are applied.
    padding : optional
        As in `output_shape`. None looks at ``valid``, ``same`` and ``full`` and counts ``valid``; a chain
        then goes on with ``same``.
    stride, dilation
        As in `output_shape`, for every layer.
    channels : int, optional
        Channels that go into the first layer; what its kernel is made for, or 1.
    outputs : int, optional
        Channels that come out of every layer whose kernel does not say it.

    Returns
    -------
    list of Report

    Raises
    ------
    ShapeError
        If sizes or channels do not fit, or a layer leaves nothing for the next one or for `padding`.
    """
    reports = []
    field, jump = (1,) * len(size), (1,) * len(size)
    chained = padding if padding is not None or len(layers) == 1 else "same"
    channels = channels or layers[0].channels or 1
    for layer in layers:
        _check_channels(layer, channels, outputs)
        rows = _rows(size, layer, padding, chained, stride, dilation)
        counted = "output" if chained is not None else "valid"
        axes = rows[counted]
        field = tuple(
            seen + (axis.reach - 1) * step for seen, axis, step in zip(field, axes, jump, strict=True)
        )
        made = layer.outputs or outputs or 1
        reports.append(Report(layer, size, rows, counted, channels, made, field))
        jump = tuple(step * axis.stride for step, axis in zip(jump, axes, strict=True))
        size, channels = tuple(axis.output for axis in axes), made
    return reports


def _rows(
    size: tuple[int, ...],
    layer: Layer,
    padding: Padding | None,
    chained: Padding | None,
    stride: PerAxis,
    dilation: PerAxis,
) -> dict[str, tuple[Axis, ...]]:
    """The paddings to look at, by name; what was asked for, or goes on, is called ``output``."""
    rows = {}
    for name in PADDINGS if padding is None else ():
        rows[name] = axes_of(
            size, layer.window, padding=name, stride=stride, dilation=dilation, may_be_empty=True
        )
    if chained is not None:
        rows["output"] = axes_of(size, layer.window, padding=chained, stride=stride, dilation=dilation)
        if isinstance(chained, str):
            rows[chained] = rows["output"]
    return rows


def _check_channels(layer: Layer, channels: int, outputs: int | None) -> None:
    if layer.channels not in (None, channels):
        raise ShapeError(f"{layer.name} is made for {layer.channels} channels and {channels} go in")
    if layer.outputs is not None and outputs not in (None, layer.outputs):
        raise ShapeError(f"{layer.name} gives {layer.outputs} channels, not {outputs}")
