"""Every option, declared once: its type, default, help and how its text is read.

The fields of the records below are the options. The command line, the checks of the Python functions and
``gallery --vary`` are made from these declarations, so that none of them can disagree with another.
Imports neither numpy nor Click.
"""

import functools
import math
import os
import re
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from convfilter.errors import OptionError, brief, check_choice, did_you_mean
from convfilter.geometry import PADDINGS, Padding, PerAxis

Alpha = Literal["auto", "keep", "premultiply", "plain", "drop"]
Border = Literal["edge", "symmetric", "reflect", "wrap", "zero", "constant"]
BORDERS_IN_WORDS = (
    "Borders: edge aaa|abcd|ddd, symmetric cba|abcd|dcb, reflect dcb|abcd|cba, wrap bcd|abcd|abc, "
    "zero 000|abcd|000, constant=V vvv|abcd|vvv with V a fraction of full scale."
)
Channels = Literal["each", "sum", "mean", "luma", "gray"]
Compress = Literal["fast", "small"]
Frames = Literal["each", "first", "stack"]
LearnedChannels = Literal["each", "sum", "mix"]
Range = Literal["auto", "clip", "absolute", "signed", "stretch", "raw"]

Depth = Literal[8, 16, "float"]

MAX_PIXELS = 268_402_689
"""Pixels of the largest image that is read by default: 16383 x 16383."""


class Option(NamedTuple):
    """A field of a record as an option of the command line."""

    help: str
    heading: str = ""  # by default that of the record
    flags: str = ""  # separated by blanks; by default `--` and the field's name
    metavar: str | None = None
    read: Callable[[str], Any] | None = None  # reads its text; not for `Literal` types, flags and integers
    default_in_words: str = ""  # where the value itself says too little
    everyday: bool = False  # `--help` has it, with the first sentence of its help, not only `--help-all`
    # Of the field, filled in by `declared`.
    name: str = ""
    type: Any = None  # without None
    default: Any = None  # if true, the flag turns the field off


def one_or_two(text: str, sign: str = ",") -> tuple[int, ...]:
    """Return one or two integers of up to 9 digits with `sign` between them; nothing for anything else."""
    parts = text.split(sign)
    fits = len(parts) <= 2 and all(part.isdecimal() and len(part) <= 9 for part in parts)
    return tuple(map(int, parts)) if fits else ()


def read_whole(text: str, least: int = 1, most: int = 0) -> int:
    """Read a whole number within limits."""
    number = int(text) if re.fullmatch("[0-9]{1,18}", text) else -1
    if number < least or (most and number > most):
        limits = f"from {least} to {most}" if most else f"of at least {least}"
        raise OptionError(f"{brief(text)} is not a whole number {limits}")
    return number


def _read_pair(text: str) -> PerAxis:
    """Read ``N``, or ``N,M`` for rows and columns; both at least 1."""
    numbers = one_or_two(text)
    if not numbers or min(numbers) < 1:
        raise OptionError(f"{brief(text)} is not a number N, or two N,M (rows, columns), of at least 1")
    return numbers if len(numbers) == 2 else numbers[0]


def _read_padding(text: str) -> Padding:
    """Read a name, ``N`` or ``N,M``."""
    if text in PADDINGS:
        return text
    if text in get_args(Border):
        raise OptionError(f"{brief(text)} is a border: use --border {text}")
    numbers = one_or_two(text)
    if not numbers:
        hint = did_you_mean(text, PADDINGS)
        raise OptionError(f"unknown padding {brief(text)}{hint}, or use N or N,M (rows, columns)")
    return numbers if len(numbers) == 2 else numbers[0]


def _number(text: str) -> float:
    """Return a number, or a percentage as a fraction; nan for anything else."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return math.nan


def _read_fraction(text: str, fault: str, most: float = math.inf) -> float:
    """Read a finite number from 0 to `most`, or a percentage; `fault` describes anything else."""
    number = _number(text)
    if not (0 <= number <= most and number < math.inf):
        raise OptionError(f"{brief(text)} is {fault}")
    return number


def _read_border(text: str) -> tuple[str, float]:
    """Read a border mode, or ``constant=V``, as the mode and its fill."""
    mode, equals, number = text.partition("=")
    if text in PADDINGS:
        raise OptionError(f"{brief(text)} is a padding: use --padding {text}")
    check_choice("border", mode, get_args(Border))
    if equals and mode != "constant":
        raise OptionError(f"border {brief(mode)} takes no value: only constant=V does")
    fill = _number(number) if mode == "constant" else 0.0
    if not math.isfinite(fill):
        mend = "use constant=V with V a fraction of full scale, such as constant=0.5"
        raise OptionError(f"{brief(text)}: {mend}")
    return mode, fill


class Region(NamedTuple):
    """A rectangle of an image."""

    row: int
    column: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.column}+{self.row}"


def _read_region(text: str) -> Region:
    """Read ``WxH+X+Y``: width, height, and the column and row of the upper left corner."""
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})\+(\d{1,9})\+(\d{1,9})", text.lower())
    width, height, column, row = map(int, found.groups()) if found else (0,) * 4
    if not width or not height:
        raise OptionError(f"{brief(text)} is not a region WxH+X+Y, such as 200x100+50+20")
    return Region(row, column, height, width)


def _read_missing(text: str) -> float | str:
    """Read a number or ``nan``; anything else is ``nodata`` or a file."""
    try:
        return float(text)
    except ValueError:
        return text


_EVERYDAY = functools.partial(Option, everyday=True)


class FilterOptions(NamedTuple):
    """How to filter; see `apply_kernel` for each."""

    padding: Annotated[
        Padding,
        _EVERYDAY(
            "Samples to add on each side, such as valid or 2. N,M is for rows, columns.",
            metavar="|".join((*PADDINGS, "N", "N,M")),
            read=_read_padding,
        ),
    ] = "same"
    border: Annotated[
        Border,
        _EVERYDAY(
            "Values of the added samples, such as wrap or zero. See Borders below.",
            metavar="|".join(get_args(Border)) + "=V",
            read=_read_border,
        ),
    ] = "edge"
    fill: float = 0.0
    """Value of a constant border; `_read_border` reads it with the mode."""
    stride: Annotated[
        PerAxis,
        Option("Distance between two outputs. N,M is for rows, columns.", metavar="N|N,M", read=_read_pair),
    ] = 1
    dilation: Annotated[
        PerAxis,
        Option("Distance between two weights. N,M is for rows, columns.", metavar="N|N,M", read=_read_pair),
    ] = 1
    flip: Annotated[bool, Option("Mathematical convolution: rotate the kernel by 180 degrees first.")] = False
    channels: Annotated[
        Channels,
        _EVERYDAY(
            "How to filter colours: each, sum, mean, luma, gray. each filters every channel on its own; "
            "sum and mean combine their results; luma filters lightness and keeps colours; gray filters "
            "lightness alone."
        ),
    ] = "each"
    range: Annotated[Range, Option("How to handle out-of-range values; auto is the kernel's own choice.")] = (
        "auto"
    )
    alpha: Annotated[
        Alpha, Option("How to handle transparency; auto is keep for edge filters, else premultiply.")
    ] = "auto"
    linear: Annotated[bool, Option("Filter in linear light: decode sRGB first, encode it last.")] = False
    mix: Annotated[
        float,
        _EVERYDAY(
            "How much of the filtered image to use, such as 50%.",
            metavar="0..1|0%..100%",
            read=functools.partial(
                _read_fraction, fault="not a strength: use 0 to 1, or a percentage such as 50%", most=1
            ),
        ),
    ] = 1.0
    mask: Annotated[
        Any,
        _EVERYDAY(
            "Grey image: white where to filter, black where not. A folder holds a mask for each image.",
            metavar="FILE|FOLDER",
            read=str,
        ),
    ] = None
    region: Annotated[
        Sequence[int] | None,
        Option("Rectangle to filter: width, height, column, row.", metavar="WxH+X+Y", read=_read_region),
    ] = None
    threshold: Annotated[
        float,
        Option(
            "Largest change to ignore, as a fraction of full scale; larger ones are reduced by it.",
            metavar="T",
            read=functools.partial(
                _read_fraction, fault="not a threshold: use a fraction of full scale, such as 0.02"
            ),
        ),
    ] = 0.0
    missing: Annotated[
        Any,
        Option(
            "Samples to ignore: nan, a number, nodata as a TIFF declares it, or black in a mask.",
            metavar="nan|N|nodata|FILE|FOLDER",
            read=_read_missing,
        ),
    ] = None
    depth: Annotated[
        Depth | None,
        _EVERYDAY(
            "Bits of an output sample: 8, 16 or float. Full scale maps to full scale.",
            "Writing",
            default_in_words="the input's",
        ),
    ] = None


class EncodeOptions(NamedTuple):
    """How to write a file; see `filter_file` for each."""

    quality: Annotated[
        int | None,
        _EVERYDAY(
            "Quality of JPEG, WebP and AVIF, 1 to 100.",
            metavar="N",
            read=functools.partial(read_whole, most=100),
            default_in_words="the input's, or 90",
        ),
    ] = None
    compress: Annotated[Compress, Option("Write quickly, or the smallest file.")] = "fast"
    background: Annotated[
        str, Option("Colour behind transparent pixels if the format has no alpha.", metavar="COLOR")
    ] = "white"
    strip: Annotated[bool, Option("Remove metadata.")] = False


class ReadOptions(NamedTuple):
    """How to read an image."""

    orient: Annotated[bool, Option("Ignore the orientation tag.", flags="--no-orient")] = True
    max_pixels: Annotated[
        int, Option("Largest image or animation to read, in pixels; checked before decoding.", metavar="N")
    ] = MAX_PIXELS


class BatchOptions(NamedTuple):
    """How to run over several images."""

    frames: Annotated[
        Frames | None,
        Option(
            "Frames or pages to filter: each on its own, only the first, or all as a stack.",
            "Filtering",
            default_in_words="each; stack for kernels with a frame axis",
        ),
    ] = None
    overwrite: Annotated[bool, Option("Replace existing outputs.", "Options")] = False
    skip_existing: Annotated[bool, Option("Skip images whose output exists.", "Options")] = False
    preserve: Annotated[
        bool, Option("Keep times, permissions and owner of the input, as 'cp -p' does.", "Writing")
    ] = False
    jobs: Annotated[
        int | None,
        Option(
            "CPU cores to use in total; 1 means a single thread.",
            flags="-j --jobs",
            metavar="N",
            default_in_words="all available",
        ),
    ] = None
    scheduler: Annotated[
        str | None, Option("Dask cluster to run on; its workers must see the same files.", metavar="ADDRESS")
    ] = None


_HEADINGS = {
    FilterOptions: "Filtering",
    EncodeOptions: "Writing",
    ReadOptions: "Reading",
    BatchOptions: "Running",
}


@functools.cache
def declared(record: type[tuple[Any, ...]]) -> tuple[Option, ...]:
    """Return the options of a record in their order; a field without `Option` is none."""
    defaults: dict[str, Any] = vars(record)["_field_defaults"]  # every NamedTuple has them
    found = []
    for name, hint in record.__annotations__.items():
        if hasattr(hint, "__metadata__"):  # `Annotated`
            kind, option = get_args(hint)
            if NoneType in get_args(kind):
                (kind,) = set(get_args(kind)) - {NoneType}
            heading = option.heading or _HEADINGS.get(record, "Options")
            found.append(option._replace(name=name, type=kind, default=defaults[name], heading=heading))
    return tuple(found)


def choices(kind: Any) -> tuple[Any, ...]:
    """Return the values of a `Literal` type; nothing for any other."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def check_choices(record: tuple[Any, ...]) -> None:
    """Refuse values that a `Literal` or bool field has not, with the nearest one that it has."""
    for option in declared(type(record)):
        value = getattr(record, option.name)
        if choices(option.type) and value is not option.default:
            check_choice(option.name, value, choices(option.type))
        if option.type is bool and type(value).__name__ not in ("bool", "bool_"):  # numpy's are fine
            raise OptionError(f"{option.name}={brief(value)}: use True or False")


def environment_threads() -> int | None:
    """Return how many threads ``CONVFILTER_THREADS`` asks for; None if it is not set."""
    text = os.environ.get("CONVFILTER_THREADS", "").strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise OptionError(f"CONVFILTER_THREADS is {brief(text)}: it must be an integer, at least 1")
    return int(text) if text else None
