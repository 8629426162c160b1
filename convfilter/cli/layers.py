"""Layers of a network as ``shape`` reads them: ``5x5:out=6``, ``pool2x2``, ``sobel:stride=2``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from convfilter.cli.options import read_size
from convfilter.cli.report import filter_in_words
from convfilter.errors import OptionError, brief, did_you_mean, escaped
from convfilter.kernels import Kernel, get_kernel
from convfilter.layers import Layer
from convfilter.options import FilterOptions, declared, read_whole

__all__ = ["read_layer", "read_typed_size"]


def _read_transposed(text: str) -> bool:
    if text:
        raise OptionError(f"{brief(text)}: it takes no value")
    return True


_READERS: dict[str, Callable[[str], Any]] = {
    "out": read_whole,
    "groups": read_whole,
    "transposed": _read_transposed,
    **{each.name: each.read for each in declared(FilterOptions) if each.read and each.name in Layer._fields},
}
# Layers as they are called elsewhere, and here.
_GUESSES = {
    r"conv(?:2d)?[-_]?(\d+x\d+)": r"a convolution is written \1",
    r"(?:max|avg|average|mean)[-_]?pool(?:2d|ing)?[-_]?(\d+x\d+)": r"pooling is written pool\1",
    r"(?:fc|dense|linear)[-_]?(\d+)": r"a dense layer is written WxH:out=\1, with WxH the size of its input",
}
_OF_POOLS = {"stride", "padding", "dilation"}


def read_typed_size(text: str, signs: str = "xX\N{MULTIPLICATION SIGN}") -> tuple[int, ...] | None:
    """Return a size; None for a text that is not one. In a kernel, numbers with commas are a matrix."""
    if not re.fullmatch(rf"[0-9]+([{signs}][0-9]+)*", text):
        return None
    if len(re.findall("[0-9]+", text)) > 2:
        raise OptionError(f"{escaped(text)} is not a size WxH: channels go with --in-channels and out=")
    return read_size(text)


def read_layer(text: str, axes: int, known: Mapping[str, Kernel]) -> Layer:
    """Return the layer that a text stands for, over an input of `axes` axes."""
    try:
        spec, texts = _split(text)
        for pattern, answer in _GUESSES.items():
            if (found := re.fullmatch(pattern, spec.strip().lower())) and spec not in known:
                raise OptionError(found.expand(answer))
        layer = _typed_layer(spec, axes) or _kernel_layer(get_kernel(spec, known), axes)
        own = {name: _read(name, value) for name, value in texts.items()}
        if len(layer.window) > axes:
            raise OptionError("it has two dimensions and a size has one: write sizes as WxH")
        outputs = own.pop("out", layer.outputs)
        if layer.outputs not in (None, outputs):
            raise OptionError(f"the kernel has {layer.outputs} outputs: remove 'out'")
        if not layer.parts and (wrong := sorted(texts.keys() - _OF_POOLS)):
            raise OptionError(f"pooling has no weights: remove '{wrong[0]}'")
    except OptionError as error:
        raise OptionError(f"layer {brief(text)}: {error}") from None
    words = [f"{name} {value}".rstrip() for name, value in texts.items() if name != "out"]
    return layer._replace(name=", ".join([layer.name, *words]), outputs=outputs, **own)


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Split a text into the kernel with its parameters, and the layer's own options."""
    spec, _, rest = text.partition(":")
    texts: dict[str, str] = {}
    others: list[str] = []
    name = ""
    for piece in rest.split(","):
        word, equals, value = (each.strip() for each in piece.partition("="))
        if word in _READERS:
            name = word
            if name in texts:
                raise OptionError(f"{name} is set twice")
            texts[name] = value
        elif name and not equals:  # a comma without a name after it continues the value
            texts[name] += f",{word}"
        else:
            name = ""
            others.append(piece)
    return (f"{spec}:{','.join(others)}" if others else spec) if texts else text, texts


def _read(name: str, text: str) -> Any:
    if ":" in text:
        raise OptionError(f"write {name}={text.replace(':', ',')}: a comma separates options")
    try:
        return _READERS[name](text)
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def _typed_layer(spec: str, axes: int) -> Layer | None:
    """Return the layer of a size, or of a pool and its size; None for any other text."""
    head, colon, word = spec.strip().partition(":")
    size = head.lower().removeprefix("pool")
    window = read_typed_size(size)
    if window is None:
        return None
    if colon:
        raise OptionError(f"unknown option {brief(word)}{did_you_mean(word.partition('=')[0], _READERS)}")
    window *= 2 // len(window) if axes == 2 else 1
    pools = size != head.lower()
    return Layer(f"{'pool' if pools else 'kernel'} {size}", window, parts=0 if pools else 1)


def _kernel_layer(kernel: Kernel, axes: int) -> Layer:
    window = (kernel.height, kernel.width)[axes == 1 and kernel.height == 1 :]
    inputs = kernel.shape[kernel.axes.index("channel")] if "channel" in kernel.axes else None
    outputs = None if inputs is None else kernel.shape[0] if "output" in kernel.axes else 1
    name = filter_in_words(kernel)
    return Layer(name, window, len(kernel.parts), inputs, outputs, kernel.frames, kernel.anchor)
