"""The image formats: one table entry each, which holds everything specific to that format.

Nothing is read or written here, and neither numpy nor Pillow is imported. A *kind* says what a
sample means and how deep it is, in one word: ``L LA RGB RGBA CMYK LAB`` are kinds of 8 bits,
``I;16`` is grey of 16 bits, ``I`` of 32, and ``F`` of floats; `kind_of` makes up further ones, such
as ``RGB;uint16``, which Pillow does not know. ``C5`` is five channels without a meaning, and each X is one
beside colours: ``RGBX`` has one, such as infrared.
"""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any, BinaryIO, Literal, NamedTuple

from convfilter.errors import ImageError

CODECS_MEND = "install convfilter[codecs]"
"""What to do where the extra packages are missing, in words for a message."""

_ANY_SIDE = 2**31 - 1


class Memory(NamedTuple):
    """Bytes a pixel of 8-bit colours held at the peak; `python -m benchmarks estimates` measures them."""

    reading: float = 4
    writing: float = 8.5
    frames: float = 8.5  # while one of several is written
    kept: float = 0  # of each frame until the file is complete
    lossy: float = 0  # while an image is written with loss, if that takes less
    grey: float = 1 / 3  # share of this that grey images take
    deep: bool = True  # whether deeper samples take more


class Format(NamedTuple):
    """What one format is, what it holds, and what reads and writes it.

    Reader and writer are classes, written ``module:name``; `loaded` imports them when they are needed.
    """

    extensions: tuple[str, ...]  # the first is that of new files
    kinds: tuple[str, ...]  # what it stores without loss of meaning or depth; * is any array
    magic: tuple[tuple[int, bytes], ...]  # bytes that a file has at a place; before 0, at its end
    plugin: str = ""  # Pillow's module, if Pillow reads or writes it
    deep: tuple[str, ...] = ()  # what else it stores with the codecs; C is any number of channels
    several: Literal["", "animation", "pages", "arrays"] = ""  # shown in turn, of any sizes, or of one shape
    side: int = _ANY_SIDE  # the longest side in pixels
    losses: Literal["never", "possible", "always"] = "never"  # of samples: if any, a quality can be chosen
    blocks: tuple[str, ...] = ()  # what it holds beside the pixels: fields of `Metadata`
    reader: str = "reading:PillowReader"  # the class that reads it
    writer: str = "writing:PlainWriter"  # the class that writes it
    holds_all: bool = False  # whether that class needs all of them at once
    prints: bool = False  # whether its library prints to standard error
    memory: Memory = Memory()

    def holds(self, kind: str) -> bool:
        """Return whether it stores a kind here and now."""
        return kind in self.kinds or "*" in self.kinds or (self.holds_deep(kind) and codecs_available())

    def holds_deep(self, kind: str) -> bool:
        """Return whether it stores a kind where the codecs are installed."""
        mode, colon, dtype = kind.partition(";")
        return (f"C{colon}{dtype}" if loose_channels(mode) else kind) in self.deep


_COLOURS = ("LA", "RGB", "RGBA")
_TYPES = ("int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_GREY_KINDS = {"uint8": "L", "uint16": "I;16", "int32": "I", "float32": "F"}
_ANY = tuple(f"L;{dtype}" for dtype in _TYPES if dtype not in _GREY_KINDS) + tuple(
    f"{mode};{dtype}" for mode in (*_COLOURS, "CMYK", "C") for dtype in _TYPES
)

# The kinds are a whitelist that is checked before anything is written. Pillow itself writes 16 bits to WebP,
# GIF and AVIF, and RGBA to PPM, without a warning. Hardly any program reads a BMP's fourth channel.
FORMATS: dict[str, Format] = {
    "png": Format(
        extensions=(".png", ".apng"),
        kinds=("L", "LA", "RGB", "RGBA", "I;16", *(f"{mode};uint16" for mode in _COLOURS)),
        magic=((0, b"\x89PNG\r\n\x1a\n"),),
        plugin="PngImagePlugin",
        several="animation",
        blocks=("exif", "icc", "xmp", "dpi", "chunks", "duration", "plays"),
        reader="png:PngReader",
        writer="png:PngWriter",
        memory=Memory(writing=9, frames=22),
    ),
    "jpeg": Format(
        extensions=(".jpg", ".jpeg", ".jpe", ".jfif"),
        kinds=("L", "RGB", "CMYK"),
        magic=((0, b"\xff\xd8\xff"),),
        plugin="JpegImagePlugin",
        side=65_500,
        losses="always",
        blocks=("exif", "icc", "xmp", "dpi", "comments", "photoshop"),
        reader="jpeg:JpegReader",
        writer="jpeg:JpegWriter",
    ),
    "tiff": Format(
        extensions=(".tif", ".tiff", ".btf"),
        kinds=("L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F"),
        magic=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
        plugin="TiffImagePlugin",
        deep=("C", *_ANY),
        several="pages",
        blocks=("exif", "icc", "xmp", "dpi", "tags"),
        reader="tiff:TiffReader",
        writer="tiff:TiffWriter",
        memory=Memory(5, 13, 15, deep=False),
        prints=True,
    ),
    "webp": Format(
        extensions=(".webp",),
        kinds=("RGB", "RGBA"),
        magic=((8, b"WEBP"),),
        plugin="WebPImagePlugin",
        several="animation",
        side=16_383,
        losses="possible",
        blocks=("exif", "icc", "xmp", "duration", "plays"),
        reader="webp:WebpReader",
        writer="webp:WebpWriter",
        memory=Memory(14, 45, 48, kept=2, lossy=20, grey=1),
    ),
    "bmp": Format(
        extensions=(".bmp", ".dib"),
        kinds=("L", "RGB"),
        magic=tuple(
            (0, start) for start in (b"BM", b"(\0\0\0", b"l\0\0\0", b"|\0\0\0")
        ),  # of a DIB its header
        plugin="BmpImagePlugin",
        reader="reading:BmpReader",
        blocks=("dpi",),
    ),
    "gif": Format(
        extensions=(".gif",),
        kinds=("L", "RGB", "RGBA"),
        magic=((0, b"GIF87a"), (0, b"GIF89a")),
        plugin="GifImagePlugin",
        several="animation",
        side=65_535,
        blocks=("xmp", "comments", "aspect", "duration", "plays", "still duration"),
        reader="gif:GifReader",
        writer="gif:GifWriter",
        memory=Memory(5, 40, 50, kept=1, grey=1),
    ),
    "ppm": Format(
        extensions=(".ppm", ".pgm", ".pbm", ".pnm"),
        kinds=("L", "RGB", "I;16", "RGB;uint16"),
        magic=tuple((0, b"P%d%c" % (variant, blank)) for variant in range(1, 7) for blank in b" \t\r\n\v\f#"),
        several="pages",
        reader="pnm:PnmReader",
        writer="pnm:PnmWriter",
        memory=Memory(0, 3, 3),
    ),
    "tga": Format(
        extensions=(".tga", ".icb", ".vda", ".vst"),
        kinds=("L", "LA", "RGB", "RGBA"),
        magic=((-18, b"TRUEVISION-XFILE.\0"),),  # of version 2; older ones are known by their names alone
        plugin="TgaImagePlugin",
        side=65_535,
    ),
    "avif": Format(
        extensions=(".avif", ".avifs"),
        kinds=("L", "RGB", "RGBA"),
        magic=tuple((4, b"ftyp" + brand) for brand in (b"avif", b"avis", b"mif1", b"msf1")),
        plugin="AvifImagePlugin",
        several="animation",
        side=32_768,
        losses="always",
        blocks=("exif", "icc", "xmp", "duration"),
        reader="webp:AvifReader",
        writer="webp:AvifWriter",
        memory=Memory(10, 48, 350, kept=4, grey=1),
        holds_all=True,
        prints=True,
    ),
    "npy": Format(
        extensions=(".npy",),
        kinds=("*",),
        magic=((0, b"\x93NUMPY"),),
        several="arrays",
        side=2**63 - 1,
        reader="npy:NpyReader",
        writer="npy:NpyWriter",
        memory=Memory(0, 3, 3),
    ),
}

ALIASES = {"jpg": "jpeg", "tif": "tiff"}
"""Other names of formats."""

_BY_EXTENSION = {extension: name for name, row in FORMATS.items() for extension in row.extensions}
_BY_CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WITH_ALPHA = ("LA", "RGBA")
_CHANNELS = {"L": 1, "I;16": 1, "I": 1, "F": 1, "LA": 2, "RGB": 3, "LAB": 3, "RGBA": 4, "CMYK": 4}


def loaded(reference: str) -> Any:
    """Return what ``module:name`` means in this package."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(f"convfilter.images.{module}"), name)


@functools.cache
def codecs_available() -> bool:
    """Return whether the extra ``codecs`` is installed, without loading it."""
    from importlib.util import find_spec  # here, because few images need the codecs

    return all(find_spec(name) is not None for name in ("imagecodecs", "tifffile"))


def sniff(stream: BinaryIO, name: str | None) -> str | None:
    """Tell a file's format from its bytes; its name counts only for formats that may lack a signature."""
    stream.seek(0)
    head = stream.read(16)
    for form, row in FORMATS.items():
        if any(start >= 0 and head.startswith(magic, start) for start, magic in row.magic):
            stream.seek(0)
            return form
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - 18))
    tail = stream.read(18)
    stream.seek(0)
    for form, row in FORMATS.items():
        if any(start < 0 and tail.endswith(magic) for start, magic in row.magic):
            return form
    named = format_of_name(name) if name is not None else None
    return named if named and all(start < 0 for start, _ in FORMATS[named].magic) else None


def format_of_name(name: str) -> str | None:
    """Return the format that a file's name promises; None for an unknown extension or none.

    >>> format_of_name("holiday/IMG_1.JPG"), format_of_name("notes.txt")
    ('jpeg', None)
    """
    return _BY_EXTENSION.get(extension_in(name))


def extension_in(name: str) -> str:
    """Return the extension in a file's name, with its dot and in small letters; empty without one."""
    stem, dot, extension = name.replace("\\", "/").rpartition("/")[2].rpartition(".")
    return f".{extension.lower()}" if dot and stem else ""


def extension_of(format: str) -> str:
    """Return the extension that new files of a format get, with its dot."""
    return FORMATS[format].extensions[0]


def fitting_mode(mode: str, channels: int, alpha: bool | None = None) -> str:
    """Return the mode of an image after its number of channels may have changed.

    It stays if it still fits, else it is the usual one for that number, else ``C`` and the number.
    `alpha` says whether the last channel is alpha; if that is not known (None) it is, of 2 or 4.

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

    >>> loose_channels("C5"), loose_channels("RGBX"), loose_channels("CMYK")
    (5, 4, None)
    """
    if mode.endswith("X"):
        return len(mode)
    return int(mode[1:]) if mode.startswith("C") and mode[1:].isdigit() else None


def grey_mode(dtype: str) -> str:
    """Return the mode of grey samples of a type: that of Pillow, or the nearest."""
    return _GREY_KINDS.get(dtype, "F" if dtype.startswith("float") else "I")


def kind_of(mode: str, dtype: str) -> str:
    """Return the kind of image that samples of a type make in a mode; for grey the type alone decides.

    >>> kind_of("L", "uint16"), kind_of("RGB", "uint8"), kind_of("RGB", "uint16")
    ('I;16', 'RGB', 'RGB;uint16')
    """
    if _CHANNELS.get(mode) == 1:
        return _GREY_KINDS.get(dtype, f"L;{dtype}")
    return mode if dtype == "uint8" else f"{mode};{dtype}"


# What a kind may become when a format cannot hold it, nearest first. A step to the same letters with an
# A more, or from grey to colour, loses nothing; the others are reported.
_STEPS: dict[str, tuple[str, ...]] = {
    "L": ("RGB",),
    "LA": ("RGBA", "L", "RGB"),
    "RGBA": ("RGB",),
    "CMYK": ("RGB",),
}


def route(mode: str, dtype: str, format: str) -> tuple[str, list[str]]:
    """Return the kind in which a format stores an image, and a warning for each loss known without pixels.

    That alpha goes (the kind has none any more) is not among them. Raises `ImageError` if the format
    cannot hold the image; the message names formats that can.

    >>> route("RGBA", "uint8", "jpeg")
    ('RGB', [])
    >>> route("CMYK", "uint8", "png")
    ('RGB', ['png cannot hold CMYK: converted to RGB'])
    """
    row, kind, eight_bits = FORMATS[format], kind_of(mode, dtype), kind_of(mode, "uint8")
    if row.holds(kind):
        return kind, []
    for step in _STEPS.get(kind, ()):
        if step in row.kinds:
            return step, [f"{format} cannot hold CMYK: converted to RGB"] if kind == "CMYK" else []
    fault = f"{format} cannot hold {_in_words(mode, dtype)}"
    narrowed = dtype != "uint8" and any(map(row.holds, (eight_bits, *_STEPS.get(eight_bits, ()))))
    if row.holds_deep(kind):
        mend = "use --depth 8" if narrowed else "try npy"
        raise ImageError(f"{fault} without the codecs: {CODECS_MEND}, or {mend}")
    mends = [name for name in ("png", "tiff") if FORMATS[name].holds(kind)]
    mends += ["npy"] if loose_channels(mode) or not mends else []
    mend = ("use --depth 8, or " if narrowed else "") + f"try {' or '.join(mends)}"
    request = ", or --alpha plain if the last one is alpha" if mode in ("C2", "C4") else ""
    raise ImageError(f"{fault}; {mend}{request}")


def _in_words(mode: str, dtype: str) -> str:
    """Name a kind for a message."""
    colours = {"LAB": "CIELAB", "LA": "grey with alpha"}.get(mode, mode)
    if _CHANNELS.get(mode) == 1:
        colours = "grey"
    elif loose_channels(mode):
        colours = f"images of {loose_channels(mode)} channels"
    depths = {"uint8": "8-bit", "uint16": "16-bit", "int32": "32-bit"}
    return f"{depths.get(dtype, dtype)} {colours}"
