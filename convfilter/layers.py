"""Chains of layers, without running them: sizes, weights, multiplications, receptive fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from convfilter.errors import ShapeError, with_name
from convfilter.geometry import Axis, Padding, PerAxis, axes_of

__all__ = ["ROWS", "Layer", "LayerSizes", "follow", "output_of"]

ROWS = ("valid", "same", "full")
"""The paddings that are considered where none is chosen."""


class Layer(NamedTuple):
    """One layer: its name for messages, the weights along each axis, and how many of them.

    `parts` is 0 for pooling. `channels` are those its kernel is made for, None for any; `outputs` come out,
    None for what the chain says, as is `stride`, `padding` and `dilation`. `frames` are those it spans where
    they are not an axis of the window. `anchor` is that of the kernel, on the last axes.
    """

    name: str
    window: tuple[int, ...]
    parts: int = 1
    channels: int | None = None
    outputs: int | None = None
    frames: int = 1
    anchor: tuple[int, ...] | None = None
    groups: int = 1
    stride: PerAxis | None = None
    padding: Padding | None = None
    dilation: PerAxis | None = None
    transposed: bool = False


class LayerSizes(NamedTuple):
    """What goes into a layer and comes out of it.

    `rows` holds the axes for each padding considered, where `Axis.output` may be below 1; `padding` is the
    one chosen, if any, and `counted` the row that the counts are about and that the next layer follows.
    `receptive_field` counts the samples of the chain's input that one output depends on, along each axis.
    """

    layer: Layer
    size: tuple[int, ...]
    rows: dict[str, tuple[Axis, ...]]
    padding: Padding | None
    channels: int
    outputs: int
    receptive_field: tuple[int, ...]

    @property
    def counted(self) -> str:
        """The name of the counted row."""
        return "output" if "output" in self.rows else "valid"

    @property
    def output(self) -> tuple[int, ...] | None:
        """The output size of the counted row, or None."""
        return output_of(self.rows[self.counted])

    @property
    def weights(self) -> int:
        """Weights of all parts, input and output channels, without biases."""
        layer = self.layer
        weights = layer.parts * layer.frames * math.prod(layer.window)
        return weights * self.channels // layer.groups * self.outputs

    @property
    def biases(self) -> int:
        """One for each output channel; none where there are no weights."""
        return self.outputs if self.layer.parts else 0

    @property
    def multiplications(self) -> int:
        """Multiplications of the counted row; transposed, each input sample meets every weight."""
        output = self.output or (0,)
        return self.weights * math.prod(self.size if self.layer.transposed and self.output else output)

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
    stride: PerAxis | None = None,
    dilation: PerAxis = 1,
    channels: int | None = None,
    outputs: int | None = None,
) -> list[LayerSizes]:
    """Follow a size through layers, the output of one being the input of the next.

    The options are for layers that do not have their own. Padding None considers ``valid``, ``same`` and
    ``full`` and counts ``valid``; a chain continues with ``same``. Stride None is 1, for pooling its window.
    `channels` go into the first layer; `outputs` come out of those that do not fix theirs.
    """
    steps: list[LayerSizes] = []
    chain: list[tuple[Axis, ...]] = []  # what each layer goes on with
    channels = channels or layers[0].channels or 1
    for number, layer in enumerate(layers, start=1):
        made = layer.outputs or (outputs or 1 if layer.parts else channels)
        _check_channels(layer, channels, made, outputs)
        options: dict[str, Any] = {
            "stride": layer.stride or stride or (1 if layer.parts else layer.window),
            "dilation": layer.dilation or dilation,
            "anchor": layer.anchor,
            "transposed": layer.transposed,
        }
        asked = layer.padding if layer.padding is not None else padding
        chosen = "same" if asked is None and len(layers) > 1 else asked
        rows = {
            name: axes_of(size, layer.window, padding=name, **options, may_be_empty=True)
            for name in ROWS
            if asked is None
        }
        if chosen is not None:
            try:
                rows["output"] = axes_of(size, layer.window, padding=chosen, **options)
            except ShapeError as error:
                raise (
                    with_name(error, f"layer {number}, {layer.name}") if len(layers) > 1 else error
                ) from None
            if isinstance(chosen, str):
                rows[chosen] = rows["output"]
        chain.append(rows["valid" if chosen is None else "output"])
        field = (1,) * len(size)
        for axes in reversed(chain):
            field = tuple(axis.span(seen) for axis, seen in zip(axes, field, strict=True))
        steps.append(LayerSizes(layer, size, rows, chosen, channels, made, field))
        size, channels = tuple(axis.output for axis in chain[-1]), made
    return steps


def _check_channels(layer: Layer, channels: int, made: int, outputs: int | None) -> None:
    """Refuse channels that do not fit a layer; `outputs` are those asked of every layer."""
    name, groups = layer.name, layer.groups
    if channels % groups or made % groups:
        raise ShapeError(
            f"{name}: {groups} groups do not fit {channels} -> {made} channels: both must be multiples "
            f"of {groups} (set --in-channels and out=)"
        )
    if layer.channels not in (None, channels // groups):
        raise ShapeError(f"{name} expects {layer.channels * groups} input channels but gets {channels}")
    if layer.channels is not None and outputs not in (None, layer.outputs):
        raise ShapeError(f"{name}: expected {outputs} output channels, got {layer.outputs}")
