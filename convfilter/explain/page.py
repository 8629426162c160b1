"""The interactive page of an explanation: one HTML file that needs nothing else, and no network."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convfilter.drawing.canvas import as_seen, shrunk
from convfilter.errors import ConvfilterError, OptionError
from convfilter.kernels import Kernel, get_kernel
from convfilter.messages import shown
from convfilter.options import FilterOptions

__all__ = ["Subject", "make_page"]

_SIDE = 200  # of the crop, in samples
_STEP = 60  # crops begin at multiples, so that with the usual strides the outputs are those of the image
_THUMBNAIL = 170
_LARGEST_KERNEL = 101  # sides
_LARGEST_LISTED = 31

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


class Subject(NamedTuple):
    """What a page is about.

    `samples` (H, W, C) are those of the image without alpha, or plain numbers without full scale; `names` are
    those of the channels. `source` is the image as named at the command line, `kernel_file` the user's own.
    """

    source: str
    samples: NDArray[Any]
    names: Sequence[str]
    mode: str = ""
    numbers: bool = False
    alpha: bool = False
    kernel_file: str | None = None


def make_page(
    subject: Subject,
    kernel: Kernel,
    known: Mapping[str, Kernel],
    options: FilterOptions,
    place: tuple[int, int],
    explanation: Sequence[str],
) -> str:
    """Return the page for an output at (row, column), with its explanation as lines of text.

    An image is cropped around the place; the page takes the crop for the image.
    """
    if max(kernel.height, kernel.width) > _LARGEST_KERNEL or "frame" in kernel.axes:
        size = f"{kernel.width}x{kernel.height}"
        what = "spans frames" if "frame" in kernel.axes else f"is {size}"
        raise OptionError(
            f"kernel '{kernel.name}' {what}: a page shows kernels of rows and columns up to "
            f"{_LARGEST_KERNEL}x{_LARGEST_KERNEL}; draw it with -o PICTURE"
        )
    if options.linear or options.depth is not None:
        raise OptionError("a page cannot show --linear or --depth: leave them out, or draw with -o PICTURE")
    window = (kernel.height, kernel.width)
    stride, dilation = _pair(options.stride), _pair(options.dilation)
    height, width = subject.samples.shape[:2]
    tops = [
        _first_of(size, index * step, (side - 1) * spread, step)
        for size, index, step, side, spread in zip((height, width), place, stride, window, dilation, strict=True)
    ]
    top, left = (0, 0) if subject.numbers else tops
    crop = subject.samples[top:, left:] if subject.numbers else subject.samples[top : top + _SIDE, left : left + _SIDE]
    cropped = crop.shape[:2] != (height, width)
    name = shown(subject.source)
    again = ["convfilter", "explain", subject.source, "-k", kernel.name, "-o", "page.html", "--overwrite"]
    data = {
        "source": subject.source,
        "csv": subject.numbers and subject.source.lower().endswith(".csv"),
        "kernelFile": subject.kernel_file,
        "further": ["--alpha", "drop"] if subject.alpha else [],
        "again": shlex.join(again + (["--kernels", subject.kernel_file] if subject.kernel_file else [])),
        "image": _image_object(crop, subject),
        "crop": {"top": top, "left": left, "height": height, "width": width, "picture": _thumbnail(subject)}
        if cropped
        else None,
        "kernels": _kernel_list(kernel, known),
        "kernel": kernel.name.partition(":")[0],
        "variant": kernel.name,
        "at": [place[0] - top // stride[0], place[1] - left // stride[1]],
        "options": {
            "padding": options.padding if isinstance(options.padding, str) else _pair(options.padding),
            "border": options.border,
            "fill": options.fill,
            "stride": stride,
            "dilation": dilation,
            "flip": options.flip,
            "channels": options.channels,
            "range": options.range,
        },
    }
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    values = {
        "policy": f"{policy}; base-uri 'none'; form-action 'none'",
        "title": html.escape(f"Convolution step by step: {name}"),
        "about": html.escape(_about(subject, crop, top, left, cropped=cropped)),
        "fill": "in units of the numbers" if subject.numbers else "a fraction of full scale",
        "style": style,
        "script": script,
        "heading": html.escape(_heading(subject, place)),
        "explanation": html.escape("\n".join(explanation)),
        "data": re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _part("page.html"))


def _first_of(size: int, start: int, reach: int, stride: int) -> int:
    """Return where on an axis the crop begins: the window in its middle, outputs in step with the image's."""
    first = max(0, min(start + reach // 2 - _SIDE // 2, size - _SIDE))
    step = math.lcm(_STEP, stride)
    return first // step * step if step < _SIDE // 2 else first // stride * stride


def _about(subject: Subject, crop: NDArray[Any], top: int, left: int, *, cropped: bool) -> str:
    height, width, _ = subject.samples.shape
    if subject.numbers:
        return f"{width} x {height} numbers (width x height)."
    kind = f"{crop.dtype.itemsize * 8} bits a sample" if crop.dtype.kind in "iu" else "floats"
    about = f"{width} x {height} pixels (width x height), {', '.join(subject.names)}, {kind}."
    if subject.alpha:
        about += " Transparency is left out, as with --alpha drop."
    if cropped:
        rows, columns = crop.shape[:2]
        about += (
            f" This page holds rows {top} to {top + rows - 1} and columns {left} to {left + columns - 1}, with the "
            "file's own numbers, and treats this crop as the image: near its edges the border takes the place "
            "of the neighbours in the file."
        )
    return about


def _heading(subject: Subject, place: tuple[int, int]) -> str:
    whole = "" if subject.numbers else " of the whole image's output"
    return f"Row {place[0]}, column {place[1]}{whole}, as 'convfilter explain' prints it"


def _image_object(crop: NDArray[Any], subject: Subject) -> dict[str, Any]:
    """Return the samples, channel after channel, and their depth."""
    planes = np.ascontiguousarray(np.moveaxis(crop, -1, 0))
    if subject.numbers or planes.dtype.kind not in "iuf" or planes.dtype.itemsize > (8 if planes.dtype.kind == "f" else 4):
        planes = planes.astype(np.float64)
    depth = None
    if not subject.numbers:
        integer = planes.dtype.kind in "iu"
        limits = np.iinfo(planes.dtype) if integer else None
        depth = {
            "full": int(limits.max) if limits else 1,
            "low": int(limits.min) if limits else None,
            "high": int(limits.max) if limits else None,
            "integer": integer,
            "single": planes.dtype == np.float32,
        }
    return {
        "height": planes.shape[1],
        "width": planes.shape[2],
        "names": list(subject.names),
        "type": planes.dtype.name,
        "samples": base64.b64encode(planes.astype(planes.dtype.newbyteorder("<")).tobytes()).decode(),
        "depth": depth,
    }


def _thumbnail(subject: Subject) -> str:
    """Return the whole image in small as a PNG in a data URL."""
    small = shrunk(subject.samples, _THUMBNAIL)
    picture = io.BytesIO()
    Image.fromarray(as_seen(small, subject.mode)).save(picture, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()


def _kernel_list(kernel: Kernel, known: Mapping[str, Kernel]) -> list[dict[str, Any]]:
    """Return the kernels that the page offers, the one asked for among the variants of its name."""
    listed = dict(known)
    base = kernel.name.partition(":")[0]
    if base not in listed:
        listed = {base: kernel, **listed}
    entries = []
    for name, each in listed.items():
        variants = [kernel] if name == base else []
        variants += [found for found in _variants(each, known) if found.name != kernel.name]
        variants = [v for v in variants if v is kernel or max(v.height, v.width) <= _LARGEST_LISTED]
        entry: dict[str, Any] = {"name": name, "summary": each.summary}
        if "frame" in each.axes or not variants:
            entry["unavailable"] = "spans frames" if "frame" in each.axes else "too large"
        entry["variants"] = [_kernel_object(variant) for variant in variants]
        entries.append(entry)
    return entries


def _variants(kernel: Kernel, known: Mapping[str, Kernel]) -> list[Kernel]:
    """Return a kernel and some others of its generator."""
    if "frame" in kernel.axes:
        return []
    found = [kernel]
    for parameters in _VARIANTS.get(kernel.generator, ()):
        try:
            other = get_kernel(f"{kernel.name}:{parameters}", known)
        except ConvfilterError:
            continue
        if other.parameters != kernel.parameters:
            found.append(other)
    return found


def _kernel_object(kernel: Kernel) -> dict[str, Any]:
    """Return a kernel for the page, its tables by part, output and channel."""
    outputs = kernel.shape[0] if "output" in kernel.axes else 1
    tables = [part.reshape(outputs, -1, kernel.height, kernel.width).tolist() for part in kernel.arrays()]
    values = ((key, value) for key, value in kernel.parameters.items())
    label = ",".join(
        f"{key}={','.join(f'{each:g}' for each in (value if isinstance(value, tuple) else (value,)))}"
        for key, value in values
    )
    return {
        "name": kernel.name,
        "label": label,
        "axes": ",".join(kernel.axes),
        "own": "channel" in kernel.axes,
        "tables": tables,
        "divisors": list(kernel.divisors),
        "combine": kernel.combine,
        "offset": kernel.offset,
        "range": kernel.range,
    }


def _pair(value: Any) -> list[int]:
    return list(value) if isinstance(value, Sequence) else [value, value]


def _part(name: str) -> str:
    return resources.files("convfilter.explain").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """Return what a policy calls a text by, so that no other script or style runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
