"""The interactive page of an explanation: a single self-contained HTML file that works offline."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convfilter.drawing import greys, shrunk
from convfilter.errors import ConvfilterError, OptionError, escaped
from convfilter.explain.steps import output_names
from convfilter.filtering.layer import filter_axes
from convfilter.filtering.quantize import levels_of
from convfilter.geometry import Axis
from convfilter.images.picture import Picture
from convfilter.images.writing import write_picture
from convfilter.kernels import Kernel, get_kernel, load_kernels
from convfilter.kernels.kernel import parameters_in_words
from convfilter.options import Border, FilterOptions, Range, choices

_SIDE = 200  # of the crop, in samples
_STEP = 60  # crops begin at multiples, so that with the usual strides the outputs are those of the image
_THUMBNAIL = 170
_LARGEST_KERNEL = 63  # sides
_LARGEST_LISTED = 31

# What the page computes, or says that it leaves out.
_CHOICES = {
    "padding": ("same", "valid", "full"),
    "border": choices(Border),
    "channels": ("each", "sum", "mean"),
    "range": choices(Range),
}
_OPTIONS = (*_CHOICES, "fill", "stride", "dilation", "flip", "mix", "threshold")

# Parameters that the page offers, by generator.
_VARIANTS = {
    "box": ("size=3", "size=5", "size=7", "size=9,1", "size=1,9"),
    "disk": ("radius=1", "radius=2", "radius=3", "radius=5"),
    "gaussian": ("sigma=0.5", "sigma=1", "sigma=1.5", "sigma=2", "sigma=3"),
    "unsharp": ("sigma=1,amount=0.5", "sigma=1,amount=1", "sigma=1,amount=2", "sigma=2,amount=1"),
    "log": ("sigma=1", "sigma=1.4", "sigma=2"),
    "dog": ("sigma=1,ratio=1.6", "sigma=1,ratio=2", "sigma=1.5,ratio=1.6"),
    "motion": tuple(f"length={length},angle={angle}" for length in (5, 9) for angle in (0, 45, 90)),
    "gabor": tuple(f"sigma=2,wavelength=5,angle={angle},phase=0" for angle in (0, 45, 90, 135)),
}


def check_page(kernels: Sequence[Kernel], options: FilterOptions) -> None:
    """Refuse kernels and options that a page cannot show."""
    other = "; -o FILE.png draws it"
    if len(kernels) > 1:
        raise OptionError(f"a page shows one kernel, not a chain of {len(kernels)}{other}")
    (kernel,) = kernels
    if "frame" in kernel.axes or max(kernel.height, kernel.width) > _LARGEST_KERNEL:
        what = "spans frames" if "frame" in kernel.axes else f"is {kernel.width}x{kernel.height}"
        limit = f"kernels of rows and columns up to {_LARGEST_KERNEL}x{_LARGEST_KERNEL}"
        raise OptionError(f"kernel '{kernel.name}' {what}: a page shows {limit}{other}")
    for name, default in FilterOptions()._asdict().items():
        if name not in (*_OPTIONS, "alpha") and getattr(options, name) != default:
            raise OptionError(f"a page cannot show --{name.replace('_', '-')}: leave it out{other}")
    for name, offered in _CHOICES.items():
        value = getattr(options, name)
        if isinstance(value, str) and value not in offered:
            raise OptionError(f"a page cannot show {name} {value}: choose another{other}")


class Subject(NamedTuple):
    """What a page is about: an image, also as `displayed` in 8-bit RGB, or plain numbers, which are not.

    `source` is the file as named at the command line, `names` are those of the channels of `pixels`.
    """

    source: str
    pixels: NDArray[Any]
    names: tuple[str, ...]
    displayed: NDArray[np.uint8] | None = None


def make_page(
    subject: Subject,
    kernel: Kernel,
    known: Mapping[str, Kernel],
    options: FilterOptions,
    place: Sequence[int],
    explanation: str,
    *,
    channel: int = 0,
    upstream: NDArray[Any] | None = None,
) -> str:
    """Return the page for an output at (row, column) and channel, with its explanation as text.

    What is large is cropped around the place; the page treats the crop as the image. With an `upstream` it
    opens in the backward mode.
    """
    samples = np.atleast_3d(subject.pixels)
    has_alpha = options.alpha != "plain" and samples.shape[2] in (2, 4) and subject.displayed is not None
    samples, alpha = (samples[..., :-1], samples[..., -1]) if has_alpha else (samples, None)
    axes = filter_axes((1, *samples.shape[:2]), kernel, options)[1:]
    top, left = map(_first_of, axes, place)
    crop = samples[top : top + _SIDE, left : left + _SIDE]
    height, width = (axis.size for axis in axes)
    area = {"top": top, "left": left, "height": height, "width": width, "picture": _thumbnail(subject)}
    transparent = alpha is not None and bool((alpha != levels_of(alpha.dtype).full).any())
    count = samples.shape[2]
    names = output_names(count, subject.names[:count])
    data = {
        "source": subject.source,
        "further": ["--alpha", "drop"] if transparent else [],
        "image": _image_object(crop, names, numbers=subject.displayed is None),
        "crop": area if crop.shape[:2] != (height, width) else None,
        "kernels": _kernel_list(kernel, known),
        "kernel": kernel.name,
        "channel": channel,
        "upstream": None if upstream is None else upstream.ravel().tolist(),
        "at": [place[0] - top // axes[0].stride, place[1] - left // axes[1].stride],
        "choices": _CHOICES,
        "options": {name: getattr(options, name) for name in _OPTIONS},
    }
    style = _text_of("page.css")
    script = "\n\n".join(map(_text_of, ("arithmetic.js", "drawing.js", "page.js")))
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    values = {
        "policy": f"{policy}; base-uri 'none'; form-action 'none'",
        "title": html.escape(f"Convolution step by step: {escaped(subject.source)}"),
        "about": html.escape(_about(subject, names, crop, (top, left), transparent=transparent)),
        "fill": "a fraction of full scale" if subject.displayed is not None else "in units of the numbers",
        "style": style,
        "script": script,
        "explanation": html.escape(explanation),
        "data": re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _text_of("page.html"))


def _first_of(axis: Axis, place: int) -> int:
    """Return where on an axis the crop begins: the window near the middle, outputs in step."""
    middle = place * axis.stride + (axis.reach - 1) // 2
    first = max(0, min(middle - _SIDE // 2, axis.size - _SIDE))
    step = math.lcm(_STEP, axis.stride)
    step = step if step < _SIDE // 2 else axis.stride
    return first // step * step


def _about(
    subject: Subject, names: Sequence[str], crop: NDArray[Any], start: tuple[int, int], *, transparent: bool
) -> str:
    """Return a few sentences about the samples of the page."""
    height, width = subject.pixels.shape[:2]
    if subject.displayed is None:
        about = f"{width} x {height} numbers (width x height)."
    else:
        bits = crop.dtype.itemsize * 8
        kind = f"{bits} bits per sample" if crop.dtype.kind in "iu" else f"{bits}-bit floats"
        about = f"{width} x {height} pixels (width x height), {', '.join(names)}, {kind}."
    if transparent:
        about += " Transparency is left out here, as with --alpha drop; the text below follows the command."
    if crop.shape[:2] != (height, width):
        (top, left), (rows, columns, _) = start, crop.shape
        about += (
            f" This page holds rows {top} to {top + rows - 1} and columns {left} to {left + columns - 1}, "
            "with the file's own numbers, and treats this crop as the image: at the edges of the crop, the "
            "border is used instead of the file's own pixels."
        )
    return about


def _image_object(crop: NDArray[Any], names: Sequence[str], *, numbers: bool) -> dict[str, Any]:
    """Return the samples, channel after channel, and their depth; plain numbers have none."""
    planes = np.ascontiguousarray(np.moveaxis(crop, -1, 0), np.float64 if numbers else None)
    levels = levels_of(planes.dtype)
    depth = {"full": levels.full, "integer": levels.integer, "single": planes.dtype == np.float32}
    if levels.integer:  # the limits of others are infinite, which JSON does not know
        depth |= {"low": levels.low, "high": levels.high}
    return {
        "height": planes.shape[1],
        "width": planes.shape[2],
        "names": names,
        "type": f"{planes.dtype.name.title()}Array",
        "samples": base64.b64encode(planes.astype(planes.dtype.newbyteorder("<")).tobytes()).decode(),
        "depth": None if numbers else depth,
    }


def _thumbnail(subject: Subject) -> str:
    """Return the whole image in small as a PNG in a data URL."""
    whole = subject.displayed
    if whole is None:
        above = subject.pixels - subject.pixels.min()
        whole = greys(above, float(above.max()) or 1)
    height, width = whole.shape[:2]
    small = shrunk(whole, max(1, round(_THUMBNAIL * width / max(height, width))))
    encoded = io.BytesIO()
    write_picture(encoded, Picture(small, "RGB", "png"), "png")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def _kernel_list(kernel: Kernel, known: Mapping[str, Kernel]) -> list[dict[str, Any]]:
    """Return the kernels that the page offers; the chosen one comes first among the variants of its name."""
    base = kernel.name.partition(":")[0]
    entries = []
    for name, listed in ({base: kernel, **known} if base not in known else known).items():
        chosen = [kernel] if name == base else []
        variants = {
            each.name: each
            for each in (*chosen, listed, *_variants(listed, known))
            if each is kernel
            or ("frame" not in each.axes and max(each.height, each.width) <= _LARGEST_LISTED)
        }
        # A name that the command knows without a file: a shipped kernel, also with other parameters.
        usual = listed is load_kernels().get(name)
        entry = {
            "name": name,
            "summary": listed.summary,
            "unavailable": "" if variants else "spans frames" if "frame" in listed.axes else "too large",
            "variants": [
                _kernel_object(each, named=usual and (each is listed or each.generator != ""))
                for each in variants.values()
            ],
        }
        entries.append(entry)
    return entries


def _variants(kernel: Kernel, known: Mapping[str, Kernel]) -> Iterator[Kernel]:
    """Yield some kernels of the same generator with other parameters."""
    for parameters in _VARIANTS.get(kernel.generator, ()):
        with contextlib.suppress(ConvfilterError):
            made = get_kernel(f"{kernel.name}:{parameters}", known)
            if made.parameters != kernel.parameters:
                yield made


def _kernel_object(kernel: Kernel, *, named: bool) -> dict[str, Any]:
    """Return a kernel for the page, its tables by part, output and channel; `named`: its name is enough."""
    outputs = kernel.shape[0] if "output" in kernel.axes else 1
    return {
        "name": kernel.name,
        "named": named,
        "label": kernel.name.partition(":")[2] or parameters_in_words(kernel),
        "axes": ",".join(kernel.axes),
        "own": "channel" in kernel.axes,
        "tables": [
            part.reshape(outputs, -1, kernel.height, kernel.width).tolist() for part in kernel.arrays()
        ],
        "divisors": list(kernel.divisors),
        "combine": kernel.combine,
        "offset": kernel.offset,
        "anchor": kernel.anchor,
        "range": kernel.range,
    }


def _text_of(name: str) -> str:
    return resources.files("convfilter.explain").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """Return what a policy calls a text by, so that no other script or style runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
