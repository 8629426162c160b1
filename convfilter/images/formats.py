"""The picture formats: their names, what each can hold, and what must become of what it cannot.

Nothing is read or written here, and neither numpy nor Pillow is imported. A *kind* says what a
sample means and how deep it is, in one word: ``L LA RGB RGBA CMYK LAB`` are kinds of 8 bits,
``I;16`` is grey of 16 bits, ``I`` of 32, and ``F`` of floats; `kind_of` makes up further ones, such
as ``RGB;uint16``, which Pillow does not know. ``C5`` is five channels without a meaning, and each X is one
beside colours: ``RGBX`` has one, such as infrared.
"""

from __future__ import annotations

from typing import NamedTuple

from convfilter.errors import ImageError
from convfilter.images import codecs

__all__ = [
    "FORMATS",
    "Format",
    "extension_of",
    "fitting_mode",
    "format_of_name",
    "grey_mode",
    "kind_of",
    "loose_channels",
    "route",
]


class Format(NamedTuple):
    """What one format is and can hold.

    Attributes
    ----------
    extensions : tuple of str
        Its extensions; the first is the one given to new files.
    kinds : tuple of str
        What it stores without loss of meaning or depth; ``*`` is any array.
    deep : tuple of str
        What else it stores where the codecs are installed; ``C`` is any number of channels without a meaning.
    frames : bool
        Whether a file may hold several pictures.
    side : int
        The longest side in pixels.
    lossless : bool
        Whether every file of it gives back the samples that were written.
    """

    extensions: tuple[str, ...]
    kinds: tuple[str, ...]
    deep: tuple[str, ...]
    frames: bool
    side: int
    lossless: bool

    def holds(self, kind: str) -> bool:
        """Whether it stores a kind here and now."""
        return kind in self.kinds or "*" in self.kinds or (self.holds_deep(kind) and codecs.available())

    def holds_deep(self, kind: str) -> bool:
        """Whether it stores a kind where the codecs are installed."""
        mode, colon, dtype = kind.partition(";")
        return (f"C{colon}{dtype}" if loose_channels(mode) else kind) in self.deep

    @property
    def alpha(self) -> bool:
        """Whether it holds alpha."""
        return "*" in self.kinds or "RGBA" in self.kinds


def _format(
    extensions: str, kinds: str, frames: bool, side: int, lossless: bool, deep: tuple[str, ...] = ()
) -> Format:
    """Return a row of the table below."""
    return Format(tuple(extensions.split()), tuple(kinds.split()), deep, frames, side, lossless)


_COLOURS = ("LA", "RGB", "RGBA")
_DEEP = tuple(f"{mode};uint16" for mode in _COLOURS)
_TYPES = ("int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_GREY_KINDS = {"uint8": "L", "uint16": "I;16", "int32": "I", "float32": "F"}
_ANY = tuple(f"L;{dtype}" for dtype in _TYPES if dtype not in _GREY_KINDS) + tuple(
    f"{mode};{dtype}" for mode in (*_COLOURS, "CMYK", "C") for dtype in _TYPES
)


# The whitelist that is asked before anything is written. Pillow itself writes 16 bits to WebP, GIF and
# AVIF, and RGBA to PPM, without a word. A BMP's fourth channel is read by next to nobody, Pillow included.
FORMATS: dict[str, Format] = {
    #                extensions                    kinds                              frames side    lossless
    "png": _format(".png .apng", "L LA RGB RGBA I;16", True, 2**31 - 1, True, _DEEP),
    "jpeg": _format(".jpg .jpeg .jpe .jfif", "L RGB CMYK", False, 65_500, False),
    "tiff": _format(".tif .tiff", "L LA RGB RGBA CMYK LAB I;16 I F", True, 2**31 - 1, True, ("C", *_ANY)),
    "webp": _format(".webp", "RGB RGBA", True, 16_383, False),
    "bmp": _format(".bmp .dib", "L RGB", False, 2**31 - 1, True),
    "gif": _format(".gif", "L RGB RGBA", True, 65_535, True),
    "ppm": _format(".ppm .pgm .pbm .pnm", "L RGB I;16 RGB;uint16", True, 2**31 - 1, True),
    "tga": _format(".tga .icb .vda .vst", "L LA RGB RGBA", False, 65_535, True),
    "avif": _format(".avif .avifs", "L RGB RGBA", True, 32_768, False),
    "npy": _format(".npy", "*", True, 2**63 - 1, True),
}

_BY_EXTENSION = {extension: name for name, row in FORMATS.items() for extension in row.extensions}
_BY_CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WITH_ALPHA = ("LA", "RGBA")
_CHANNELS = {"L": 1, "I;16": 1, "I": 1, "F": 1, "LA": 2, "RGB": 3, "LAB": 3, "RGBA": 4, "CMYK": 4}


def format_of_name(name: str) -> str | None:
    """Return the format that a file's name promises.

    Parameters
    ----------
    name : str
        A file name or path.

    Returns
    -------
    str or None
        A name out of `FORMATS`; None for an unknown extension or none.

    Examples
    --------
    >>> format_of_name("holiday/IMG_1.JPG")
    'jpeg'
    >>> format_of_name("notes.txt") is None
    True
    """
    base = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = base.rpartition(".")
    return _BY_EXTENSION.get(f".{extension.lower()}") if dot and stem else None


def extension_of(format: str) -> str:
    """Return the extension that new files of a format get.

    Parameters
    ----------
    format : str
        A name out of `FORMATS`.

    Returns
    -------
    str
        With its dot.

    Examples
    --------
    >>> extension_of("jpeg")
    '.jpg'
    """
    return FORMATS[format].extensions[0]


def fitting_mode(mode: str, channels: int, alpha: bool | None = None) -> str:
    """Return the mode of a picture after its number of channels may have changed.

    Parameters
    ----------
    mode : str
        The mode before.
    channels : int
        The number of channels after.
    alpha : bool, optional
        Whether the last one is alpha. None if that is not known: then it is, of 2 or 4.

    Returns
    -------
    str
        The same mode if it still fits, else the usual one for so many channels, else ``C`` and their number.

    Examples
    --------
    >>> fitting_mode("CMYK", 4), fitting_mode("CMYK", 1), fitting_mode("L", 5)
    ('CMYK', 'L', 'C5')
    >>> fitting_mode("RGB", 4), fitting_mode("RGB", 4, alpha=False)
    ('RGBA', 'C4')
    """
    has_alpha = mode in _WITH_ALPHA
    if channels == (loose_channels(mode) or _CHANNELS.get(mode)) and alpha in (None, has_alpha):
        return mode
    usual = _BY_CHANNELS.get(channels, f"C{channels}")
    return usual if alpha in (None, usual in _WITH_ALPHA) else f"C{channels}"


def loose_channels(mode: str) -> int | None:
    """Return how many channels a mode has if some of them mean neither colours nor alpha, else None.

    Examples
    --------
    >>> loose_channels("C5"), loose_channels("RGBX"), loose_channels("CMYK")
    (5, 4, None)
    """
    if mode.endswith("X"):
        return len(mode)
    return int(mode[1:]) if mode.startswith("C") and mode[1:].isdigit() else None


def grey_mode(dtype: str) -> str:
    """Return the mode of grey samples of a type.

    Examples
    --------
    >>> grey_mode("uint16"), grey_mode("int16"), grey_mode("float64")
    ('I;16', 'I', 'F')
    """
    return _GREY_KINDS.get(dtype, "F" if dtype.startswith("float") else "I")


def kind_of(mode: str, dtype: str) -> str:
    """Return the kind of picture that samples of a type make in a mode.

    Parameters
    ----------
    mode : str
        What the channels mean.
    dtype : str
        The samples' numpy type by name.

    Returns
    -------
    str
        A kind as in `FORMATS`; for grey the type alone decides.

    Examples
    --------
    >>> kind_of("L", "uint16"), kind_of("RGB", "uint8"), kind_of("RGB", "uint16")
    ('I;16', 'RGB', 'RGB;uint16')
    """
    if _CHANNELS.get(mode) == 1:
        return _GREY_KINDS.get(dtype, f"L;{dtype}")
    return mode if dtype == "uint8" else f"{mode};{dtype}"


# What a kind may become when a format cannot hold it, nearest first. A step to the same letters with an
# A more, or from grey to colour, loses nothing; the others are told.
_STEPS: dict[str, tuple[str, ...]] = {
    "L": ("RGB",),
    "LA": ("RGBA", "L", "RGB"),
    "RGBA": ("RGB",),
    "CMYK": ("RGB",),
}


def route(mode: str, dtype: str, format: str) -> tuple[str, list[str]]:
    """Return the kind in which a format stores a picture, and what is lost on the way.

    Parameters
    ----------
    mode, dtype : str
        What the picture is, as for `kind_of`.
    format : str
        A name out of `FORMATS`.

    Returns
    -------
    tuple of str and list of str
        The kind, and a warning for each loss that is known without looking at the pixels.
        That alpha goes (the kind has none any more) is not among them.

    Raises
    ------
    ImageError
        If the format cannot hold it; the message names formats that can.

    Examples
    --------
    >>> route("RGBA", "uint8", "jpeg")
    ('RGB', [])
    >>> route("CMYK", "uint8", "png")
    ('RGB', ['png cannot hold CMYK: converted to RGB'])
    """
    kind = kind_of(mode, dtype)
    kinds = FORMATS[format].kinds
    if FORMATS[format].holds(kind):
        return kind, []
    for step in _STEPS.get(kind, ()):
        if step in kinds:
            lossy = kind == "CMYK"
            return step, [f"{format} cannot hold CMYK: converted to RGB"] if lossy else []
    mends = [name for name in ("png", "tiff") if FORMATS[name].holds(kind)]
    mends += ["npy"] if loose_channels(mode) or not mends else []
    narrowed = dtype != "uint8" and _narrows(mode, format)
    if FORMATS[format].holds_deep(kind):
        mend = "--depth 8" if narrowed else "try npy"
        raise ImageError(
            f"{format} cannot hold {_in_words(mode, dtype)} without the codecs: {codecs.MEND}, or {mend}"
        )
    request = ", or --alpha plain if the last one is alpha" if mode in ("C2", "C4") else ""
    depth = ", or --depth 8" if narrowed else ""
    raise ImageError(
        f"{format} cannot hold {_in_words(mode, dtype)}; try {' or '.join(mends)}{depth}{request}"
    )


def _narrows(mode: str, format: str) -> bool:
    """Tell whether a format takes a mode in 8 bits."""
    try:
        route(mode, "uint8", format)
    except ImageError:
        return False
    return True


def _in_words(mode: str, dtype: str) -> str:
    """Name a kind for a message."""
    colours = {"LAB": "CIELAB", "LA": "grey with alpha"}.get(mode, mode)
    if _CHANNELS.get(mode) == 1:
        colours = "grey"
    elif loose_channels(mode):
        colours = f"{loose_channels(mode)} channels"
    depths = {"uint8": "8 bits", "uint16": "16 bits", "int32": "32 bits"}
    return f"{colours} of {depths.get(dtype, f'{dtype} samples')}"
