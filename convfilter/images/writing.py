"""From an array of pixels to an encoded file.

What a format can hold is checked first; nothing is narrowed without an error or a warning. Then the ``save_``
function that the table of formats names writes the image: mostly Pillow's `save`, with the options that fit.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image, ImageColor, ImageFile

from convfilter.errors import ImageError, OptionError, brief, escaped
from convfilter.images.exif import DESCRIPTIVE, tags_of, without_upright
from convfilter.images.formats import FORMATS, fitting_mode, kind_of, loaded, route
from convfilter.images.library import collected, load_plugin, reasons
from convfilter.images.picture import PHOTOSHOP, Metadata, Picture, icc_fits
from convfilter.images.tiff_tags import Origin, fitting_tags, names_beside
from convfilter.options import EncodeOptions, check_choices

if TYPE_CHECKING:
    from convfilter.images.jpeg import Coding

__all__ = [
    "Output",
    "background_colour",
    "check_encoding",
    "check_writable",
    "few_colours",
    "flattened",
    "prepared",
    "save",
    "save_avif",
    "save_jpeg",
    "save_plain",
    "save_webp",
    "taken",
    "to_image",
    "write_picture",
]

_QUALITY = 90
_JPEG_SEGMENT = 65_533
_STRIP_SAMPLES = 1 << 19


class Output(NamedTuple):
    """Where and how to write; `warnings` gets a line for whatever is lost."""

    stream: BinaryIO
    format: str
    encoding: EncodeOptions
    warnings: list[str]
    lost: list[str]  # names of what the format cannot hold
    frames: int = 0  # how many are written; 0 for an image that is not one of several
    threads: int = 1

    @property
    def small(self) -> bool:
        """Whether the size counts more than the time."""
        return self.encoding.compress == "small"

    def all_warnings(self) -> list[str]:
        """Return the warnings, and one that names what the format cannot hold."""
        *names, last = dict.fromkeys(self.lost) or [""]
        words = " and ".join(filter(None, [", ".join(names), last]))
        lost = [f"{self.format} cannot hold {words}: dropped"] if words else []
        return list(dict.fromkeys(self.warnings + lost))


def check_encoding(options: EncodeOptions) -> None:
    """Refuse a quality, compression or colour that does not exist."""
    quality = options.quality
    whole = isinstance(quality, int) and not isinstance(quality, bool)
    if quality is not None and not (whole and 1 <= quality <= 100):
        raise OptionError(f"quality must be an integer from 1 to 100, not {brief(quality)}")
    check_choices(options)
    background_colour(options.background)


def check_writable(
    mode: str, dtype: DTypeLike, size: tuple[int, int], frames: int, format: str, *, first: bool = True
) -> list[str]:
    """Return what would be lost, one line each, as far as that is known without the pixels.

    Raises `ImageError` if the format cannot hold images of that mode, type, (width, height) and number;
    `first` tells whether the first of several alone would be worth having.
    """
    kind, warnings = route(mode, np.dtype(dtype).name, format)
    row = FORMATS[format]
    width, height = size
    if min(size) < 1:
        raise ImageError(f"{width} x {height} pixels are not an image")
    if max(size) > row.side:
        raise ImageError(
            f"{width} x {height} pixels are too large for {format}, "
            f"which takes {row.side} a side; try png or tiff"
        )
    if frames > 1 and not row.several:
        mend = "--frames first, or tiff" if first else "tiff"
        raise ImageError(f"{format} cannot hold {frames} frames; try {mend}")
    if frames > 1 and kind.endswith(";uint16") and row.several == "animation":
        raise ImageError(f"{format} cannot hold {frames} frames of 16 bits per colour; try tiff")
    if _loses_alpha(mode, kind):
        warnings.append(f"{format} cannot hold alpha: blended onto the background")
    return warnings


def write_picture(
    stream: BinaryIO,
    picture: Picture,
    format: str | None = None,
    encoding: EncodeOptions | None = None,
    *,
    release: bool = False,
    threads: int = 1,
) -> list[str]:
    """Encode an image into a buffered stream, by default in its own format; return what was lost.

    With `release`, `picture.pixels` is replaced by an empty array as soon as the encoder has a copy, which
    saves three bytes a pixel in RGB while encoding.
    """
    form = format or picture.format
    height, width = picture.pixels.shape[:2]
    check_writable(_mode_of(picture), picture.pixels.dtype, (width, height), 1, form)
    output = Output(stream, form, encoding or EncodeOptions(), [], [], threads=threads)
    with collected(output.warnings, prints=FORMATS[form].prints):
        loaded(FORMATS[form].encoder)(prepared(picture, output, release=release), output)
    return output.all_warnings()


def prepared(picture: Picture, output: Output, *, release: bool = False) -> Picture:
    """Return an image, or a frame of several, as a format holds it; `release` as above."""
    form, warnings = output.format, output.warnings
    pixels = picture.pixels
    if pixels.shape[2:] == (1,) and form != "npy":
        pixels = pixels[:, :, 0]
    mode, dtype = _mode_of(picture), pixels.dtype.name
    kind, lost = route(mode, dtype, form)
    warnings += lost
    if _loses_alpha(mode, kind):
        background = output.encoding.background
        if pixels[..., -1].min() < 255:
            warnings.append(f"{form} cannot hold alpha: blended onto {background}")
        pixels = flattened(pixels, background_colour(background))
        mode = "L" if pixels.ndim == 2 else "RGB"
        kind, _ = route(mode, dtype, form)
    if picture.format == form == "jpeg" and picture.metadata.lossless:
        warnings.append("is a lossless JPEG, and is written as a lossy one: try png")
    metadata = _fitting(picture, kind, output)
    if output.encoding.quality is not None and not FORMATS[form].quality:
        warnings.append(f"{form} has no quality to choose: --quality is ignored")
    held = kind_of(mode, dtype)
    if held in ("L", "I;16", "I", "F"):  # grey of each type has a mode of its own
        mode = held
    if held != kind:
        pixels, mode = np.asarray(to_image(pixels, mode).convert(kind)), kind
    if _in_four_bytes(pixels) is None or form not in ("jpeg", "png"):  # which take them as they are
        pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    if release:
        picture.pixels = np.empty((0, 0), np.uint8)
    return Picture(pixels, mode, form, metadata)


def _mode_of(picture: Picture) -> str:
    """Return an image's mode, or another if its number of channels has changed."""
    return fitting_mode(picture.mode, picture.pixels.shape[2] if picture.pixels.ndim == 3 else 1)


def _loses_alpha(mode: str, kind: str) -> bool:
    """Tell whether a kind does not hold a mode's alpha."""
    return mode in ("LA", "RGBA") and kind in ("L", "RGB")


def _fitting(picture: Picture, kind: str, output: Output) -> Metadata:
    """Return the metadata to write; what a format cannot hold is named in one warning."""
    metadata, form, warnings = picture.metadata, output.format, output.warnings
    if output.encoding.strip:
        return metadata.bare()
    if form == "tiff" and metadata.exif is not None and metadata.origin is None:  # not from a TIFF itself
        with contextlib.suppress(ImageError):  # which the writer reports
            metadata = metadata._replace(tags=tags_of(metadata.exif))
    written = Origin.of(picture.pixels, output.frames or 1)
    if form == "tiff":
        tags, lines = fitting_tags(metadata.tags, metadata.origin, written, picture.grid)
        metadata = metadata._replace(tags=tags)
        warnings += lines
    else:
        output.lost.extend(names_beside(metadata.tags, DESCRIPTIVE))
    output.lost.extend(metadata.lost_in(form, output.frames, still=picture.frames == 1))
    if metadata.unknown:
        warnings.append(f"dropped because it may not fit the filtered image: {', '.join(metadata.unknown)}")
    if "icc" not in FORMATS[form].blocks:
        metadata = metadata._replace(icc=None)
    if metadata.icc is not None and not icc_fits(metadata.icc, kind):
        warnings.append(f"the colour profile does not fit {kind} pixels: dropped")
        metadata = metadata._replace(icc=None)
    return metadata


class _Stream:
    """A stream without a descriptor: Pillow does not check how much a descriptor has taken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._place = 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self._place += len(data)

    def tell(self) -> int:
        return self._place


def save(image: Image.Image, output: Output, **options: object) -> None:
    """Have Pillow encode an image with the options that are not None; what the stream raises is passed on."""
    load_plugin(output.format)
    options = {name: value for name, value in options.items() if value is not None}
    with reasons(f"cannot be written as {output.format}", system=False):
        image.save(cast("BinaryIO", _Stream(output.stream)), output.format.upper(), **options)


def save_plain(picture: Picture, output: Output) -> None:
    """Write a BMP, with its resolution, or a TGA, run-length coded if its input was."""
    metadata = picture.metadata
    save(taken(picture), output, dpi=metadata.dpi, rle=output.small or metadata.compression == "tga_rle")


def save_jpeg(picture: Picture, output: Output) -> None:
    """Write a JPEG with the tables of its input again, or of a quality."""
    metadata, warnings = picture.metadata, output.warnings
    options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    for name, limit in (("exif", _JPEG_SEGMENT), ("xmp", _JPEG_SEGMENT - 29)):
        if options[name] is not None and len(options[name]) > limit:
            warnings.append(f"{name} of {len(options[name])} bytes is too long for jpeg: dropped")
            options[name] = None
    dpi = metadata.dpi
    if dpi is not None and max(dpi) >= 65_535:
        warnings.append(f"a resolution of {max(dpi):.0f} dots per inch is too high for jpeg: dropped")
        dpi = None
    options |= {"dpi": dpi, "extra": _jpeg_segments(metadata, warnings) or None}
    coding, quality, bands = metadata.coding, output.encoding.quality, Image.getmodebands(picture.mode)
    joined_up = coding is not None and coding.pillow_subsampling() is None
    image = taken(picture, padded=not joined_up)
    progressive = output.small or (coding is not None and coding.progressive)
    options |= {"optimize": output.small or None, "progressive": progressive or None}
    if quality is not None or coding is None:
        quality = quality or _QUALITY
        # The chroma of what edge filters make is no smoother than the rest: full at high qualities.
        options |= {"quality": quality, "subsampling": 0 if quality >= _QUALITY else 2}
    elif len(coding.components) != bands:
        options |= {"qtables": coding.tables}
    else:
        subsampling = coding.pillow_subsampling()
        if subsampling is None:
            _save_joined(image, coding, output, options)
            return
        options |= {"qtables": coding.tables_by_component(), "subsampling": subsampling}
    coarse = any(max(table) > 255 for table in options.get("qtables", ()))  # of which libjpeg prints a line
    with collected(warnings, prints=coarse), _buffer_for(image) if progressive else contextlib.nullcontext():
        save(image, output, **options)


def _save_joined(image: Image.Image, coding: Coding, output: Output, options: dict[str, Any]) -> None:
    """Write a JPEG of a sampling that Pillow does not write."""
    from convfilter.images.jpeg import joined

    def encode(plane: Image.Image, table: list[int], *, beside: bool) -> bytes:
        stream = io.BytesIO()
        kept = options if beside else {"progressive": options["progressive"]}
        with _buffer_for(plane):
            save(plane, output._replace(stream=stream), **kept | {"qtables": [table], "optimize": True})
        return stream.getvalue()

    output.stream.write(joined(image, coding, encode))


@contextlib.contextmanager
def _buffer_for(image: Image.Image) -> Iterator[None]:
    """Let Pillow encode in one go, as a progressive JPEG must be; its own buffer is too small for noise."""
    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 2 * len(image.getbands()) * image.width * image.height + (1 << 18))
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def _jpeg_segments(metadata: Metadata, warnings: list[str]) -> bytes:
    """Return what is written into a JPEG as it is: Photoshop data, split if long, and comments."""
    data, size = metadata.photoshop or b"", _JPEG_SEGMENT - len(PHOTOSHOP)
    segments = [(0xED, PHOTOSHOP + data[at : at + size]) for at in range(0, len(data), size)]
    for comment in metadata.comments:
        if len(comment) > _JPEG_SEGMENT:
            warnings.append(f"comment of {len(comment)} bytes is too long for jpeg: dropped")
        else:
            segments.append((0xFE, comment))
    return b"".join(
        bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in segments
    )


def save_webp(picture: Picture, output: Output) -> None:
    """Write a WebP, without loss after an input without loss."""
    metadata, quality = picture.metadata, output.encoding.quality
    lossless = quality is None and metadata.lossless
    how = {"lossless": True, "exact": True} if lossless else {"quality": quality or _QUALITY}
    beside = {"exif": metadata.exif, "icc_profile": metadata.icc, "xmp": metadata.xmp}
    save(taken(picture), output, **how, **beside, method=6 if output.small else None)


def save_avif(picture: Picture, output: Output, **several: Any) -> None:
    """Write an AVIF; `several` are Pillow's options for further frames."""
    metadata, image = picture.metadata, taken(picture)
    quality = output.encoding.quality or _QUALITY
    save(
        image,
        output,
        quality=quality,
        subsampling="4:4:4" if image.mode != "L" and quality >= _QUALITY else None,
        speed=3 if output.small else 6,
        max_threads=1,  # the images of a batch are what runs side by side
        exif=metadata.exif and without_upright(metadata.exif),  # which Pillow would put together anew
        icc_profile=metadata.icc,
        xmp=metadata.xmp,
        **several,
    )


def background_colour(text: str) -> tuple[int, int, int]:
    """Return the colour that a name or code of CSS stands for: ``white``, ``#f80``, ``rgb(255, 128, 0)``."""
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise OptionError(
            f"unknown colour '{escaped(text)}'; try a name, white, or a code, #ffffff"
        ) from None
    return red, green, blue


def flattened(pixels: NDArray[np.uint8], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Lay an image (H, W, 2 or 4), not premultiplied, on a colour; grey stays grey (H, W) on grey."""
    colours = pixels[..., :-1]
    grey = colours.shape[2] == 1 and len(set(background)) == 1
    height, width = pixels.shape[:2]
    result = np.empty((height, width, 1 if grey else 3), np.uint8)
    ground = np.array(background[: result.shape[2]], np.uint16)
    step = max(1, _STRIP_SAMPLES // (3 * width))
    for top in range(0, height, step):
        part = slice(top, top + step)
        alpha = pixels[part, :, -1:].astype(np.uint16)
        # At most 255 * 255 + 127: 16 bits hold it.
        result[part] = (colours[part] * alpha + ground * (255 - alpha) + 127) // 255
    return result[..., 0] if grey else result


def to_image(pixels: NDArray[Any], mode: str, palette: bytes | None = None) -> Image.Image:
    """Return an array as an image of Pillow's, which shares its memory for ``L RGBA CMYK I;16``."""
    dtype = pixels.dtype.newbyteorder("<" if mode == "I;16" else "=")
    pixels = np.ascontiguousarray(pixels, dtype)
    size = pixels.shape[1], pixels.shape[0]
    image = Image.frombuffer(mode, size, pixels.reshape(-1).view(np.uint8), "raw", mode, 0, 1)
    if palette is not None:
        image.putpalette(palette)
    return image


def _in_four_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the memory (H, W, 4) of colours that lie four bytes apart; None if they do not."""
    memory = pixels.base
    if isinstance(memory, np.ndarray) and memory.shape == (*pixels.shape[:2], 4) and memory.dtype == np.uint8:
        same = memory.ctypes.data == pixels.ctypes.data and memory.strides == pixels.strides
        return memory if same and pixels.shape[2:] == (3,) else None
    return None


def taken(picture: Picture, *, padded: bool = False) -> Image.Image:
    """Return an image of Pillow's in place of an array, which is given up.

    With `padded`, colours that lie four bytes apart become an image of mode ``RGBX`` in their memory.
    """
    memory = _in_four_bytes(picture.pixels) if padded else None
    image = to_image(picture.pixels, picture.mode) if memory is None else to_image(memory, "RGBX")
    picture.pixels = np.empty((0, 0), np.uint8)
    return image


def few_colours(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return the number of each pixel's colour, and the colours as RGBA (N, 4); None for more than 256."""
    counted: Any = image.getcolors(256)
    if counted is None:
        return None
    colours = np.array(sorted((*colour, 255)[:4] for _, colour in counted), np.uint8)
    keys = colours.view(">u4").ravel().astype(np.uint32)
    numbers = np.empty((image.height, image.width), np.uint8)
    step = max(1, _STRIP_SAMPLES // image.width)
    for top in range(0, image.height, step):
        part = numbers[top : top + step]
        strip = image.crop((0, top, image.width, top + part.shape[0])).convert("RGBA")
        packed = np.frombuffer(strip.tobytes(), ">u4").astype(np.uint32)
        part[...] = np.searchsorted(keys, packed).reshape(part.shape)
    return numbers, colours
