"""TIFFs that others wrote, of every type and layout: read as they are or refused, never garbled."""

import io
import itertools
import re
import struct
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from encoded import Counting, read_frames, saved, tiff
from PIL import Image, TiffImagePlugin
from samples import random_pixels as some

from convfilter import apply_kernel
from convfilter.batch import filter_file
from convfilter.errors import ConvfilterError, ImageError
from convfilter.images import formats
from convfilter.images.picture import Picture
from convfilter.images.reading import read_picture, read_size
from convfilter.images.writing import write_frames

tifffile = pytest.importorskip("tifffile", reason="needs tifffile, of the extra 'codecs'")
pytestmark = pytest.mark.filterwarnings("ignore:.*(cannot hold|keep their numbers):UserWarning")

MODES = {
    # samples, photometric, extra samples: how they are read
    (1, "minisblack", 0): None,
    (2, "minisblack", 2): "LA",
    (2, "minisblack", 0): "LX",
    (5, "minisblack", 0): "LXXXX",
    (3, "rgb", 0): "RGB",
    (4, "rgb", 2): "RGBA",
    (4, "rgb", 0): "RGBX",
    (4, "separated", 0): "CMYK",
    (5, "separated", 0): "CMYKX",
}
COLOURS = {"minisblack": 1, "rgb": 3, "separated": 4}
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]
FEW = ["uint8", "uint16", "uint32", "float32"]
LAYOUTS = [
    ({}, TYPES),
    ({"byteorder": ">", "compression": "zlib", "rowsperstrip": 8}, TYPES),
    ({"compression": "lzw", "predictor": True, "tile": (16, 16)}, FEW),
    ({"bigtiff": True, "byteorder": ">"}, FEW),
    ({"bigtiff": True, "compression": "zlib", "byteorder": "<"}, FEW),
    ({"planarconfig": "separate"}, FEW),
    ({"planarconfig": "separate", "compression": "lzw", "byteorder": ">"}, FEW),
]


def by_tifffile(pixels, photometric="minisblack", **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric=photometric, metadata=None, **options)
    return stream


def file_of(pixels, photometric="minisblack", alpha=0, **options):
    """A TIFF whose samples beyond the colours are alpha (2) or nothing (0)."""
    if pixels.ndim == 3:
        options.setdefault("planarconfig", "contig")
        others = pixels.shape[2] - COLOURS.get(photometric, 1)
        options["extrasamples"] = ["unassalpha" if alpha else "unspecified"] * others
    if options.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, -1, 0)
    return by_tifffile(pixels, photometric, **options)


@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
def test_every_type_in_every_layout_is_read_exactly_or_refused(layout, monkeypatch):
    layout, types = LAYOUTS[layout]
    refusal, by_pillow = r"^not supported: .*TIFF.*; install convfilter\[codecs\]$", 0
    for dtype, ((channels, photometric, alpha), mode) in itertools.product(types, MODES.items()):
        if "planarconfig" in layout and channels == 1:
            continue
        pixels = some(dtype, 9, 13, channels)[..., : None if channels > 1 else 1].squeeze()
        data = file_of(pixels, photometric, alpha, **layout)
        picture = read_picture(data)
        expected = pixels.astype("float32") if dtype == "float16" else pixels
        np.testing.assert_array_equal(picture.pixels, expected, strict=True)
        assert picture.pixels.dtype.isnative
        assert picture.warnings == []
        assert mode in (None, picture.mode)
        size = read_size(data)
        assert (size.mode, size.dtype, size.channels) == (picture.mode, expected.dtype.name, channels)
        with monkeypatch.context() as patch:
            patch.setattr(formats, "codecs_available", lambda: False)
            try:
                picture = read_picture(data)
            except ImageError:
                for read in (read_picture, read_size):
                    with pytest.raises(ImageError, match=refusal):
                        read(data)
            else:
                np.testing.assert_array_equal(picture.pixels, expected, strict=True)
                by_pillow += 1
    assert by_pillow or "bigtiff" in layout


@pytest.mark.parametrize(("channels", "photometric"), [(2, "minisblack"), (4, "rgb"), (5, "separated")])
def test_channels_without_a_meaning_are_filtered_like_the_others_and_keep_their_place(
    tmp_path, channels, photometric
):
    pixels = some("uint8", 9, 12, channels)
    (tmp_path / "in.tif").write_bytes(file_of(pixels, photometric).getvalue())
    filter_file(tmp_path / "in.tif", tmp_path / "out.tif", "blur")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        page = file.pages[0]
        assert page.photometric.name.lower() == photometric
        assert [each.name for each in page.extrasamples] == ["UNSPECIFIED"] * len(page.extrasamples)
        assert len(page.extrasamples) == channels - COLOURS[photometric]
        found = page.asarray()
    for channel in range(channels):
        np.testing.assert_array_equal(found[..., channel], apply_kernel(pixels[..., channel], "blur"))
    with pytest.raises(ConvfilterError, match=rf"hold 8-bit images of {channels} channels; try tiff or npy$"):
        filter_file(tmp_path / "in.tif", tmp_path / "out.jpg", "blur")


def of_bits(levels, bits, photometric=1):
    """A TIFF with levels in a number of bits each, from the left, whole bytes a row."""
    digits = levels.reshape(len(levels), -1, 1) >> np.arange(bits)[::-1] & 1
    data, channels = np.packbits(digits.reshape(len(levels), -1), axis=1).tobytes(), levels.shape[2]
    tags = {256: [7], 257: [5], 258: [bits] * channels, 259: [1], 262: [photometric], 277: [channels]}
    return io.BytesIO(tiff({**tags, 278: [5], 279: [len(data)]}, data))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 9, 12, 15])
@pytest.mark.parametrize(("channels", "photometric"), [(1, 1), (1, 0), (3, 2)])
def test_any_number_of_bits_is_brought_to_full_scale_but_deep_grey_keeps_its_numbers(
    bits, channels, photometric
):
    levels = np.random.default_rng(bits).integers(0, 1 << bits, (5, 7, channels))
    picture = read_picture(of_bits(levels, bits, photometric))
    most, measured = 2**bits - 1, bits > 8 and channels == 1
    full = most if measured else 255 if bits < 8 else 65535
    expected = np.floor(levels * full / most + 0.5)
    expected = (full - expected if photometric == 0 else expected).astype(f"uint{8 if bits < 8 else 16}")
    np.testing.assert_array_equal(picture.pixels, expected.squeeze(), strict=True)
    word = (
        f"the {bits}-bit samples keep their numbers, 0 to {most}, in 16 bits: to see them use --range stretch"
    )
    assert picture.warnings == [word] * measured


def test_twelve_bits_keep_their_numbers_unless_they_are_stretched(tmp_path):
    levels = np.random.default_rng(0).integers(0, 4096, (5, 7, 1), np.uint16)
    levels[0, :2, 0] = 0, 4095
    (tmp_path / "in.tif").write_bytes(of_bits(levels, 12).getvalue())
    for options, expected in (
        ({}, levels),
        ({"range": "stretch"}, np.floor(levels / 4095 * 65535 + 0.5)),
        ({"range": "stretch", "depth": 8}, np.floor(levels / 4095 * 255 + 0.5)),
        ({"depth": "float"}, (levels / 65535).astype(np.float32)),
    ):
        filter_file(tmp_path / "in.tif", tmp_path / "out.tif", "identity", overwrite=True, **options)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected[..., 0])


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "float32", "float64"])
def test_where_white_is_zero_deep_samples_are_turned_over(dtype):
    pixels = some(dtype, 5, 7)
    full = 1 if dtype.startswith("float") else np.iinfo(dtype).max
    found = read_picture(file_of(pixels, "miniswhite")).pixels
    np.testing.assert_array_equal(found, pixels.dtype.type(full) - pixels, strict=True)


def test_premultiplied_colours_are_divided_by_alpha():
    deep = np.array([[[1000, 2000, 3000, 32768], [5, 5, 5, 0], [7, 8, 9, 65535]]], np.uint16)
    floats = np.array([[[0.25, 0.5, 1.0, 0.5]]], np.float32)
    expected = [[[2000, 4000, 6000, 32768], [0, 0, 0, 0], [7, 8, 9, 65535]]], [[[0.5, 1.0, 2.0, 0.5]]]
    for pixels, found in zip((deep, floats), expected, strict=True):
        stream = by_tifffile(pixels, "rgb", extrasamples=["assocalpha"])
        assert read_picture(stream).pixels.tolist() == found


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_a_page_is_turned_by_either_reader(dtype):
    pixels = some(dtype, 2, 3, 3)
    data = file_of(pixels, "rgb", extratags=[(274, 3, 1, 6, True)])
    np.testing.assert_array_equal(read_picture(data).pixels, np.rot90(pixels, -1))
    np.testing.assert_array_equal(read_picture(data, orient=False).pixels, pixels)


def test_a_colour_table_of_eight_bits_is_taken_as_such():
    levels = some("uint8", 9, 11)
    table = np.random.default_rng(0).integers(0, 256, (3, 256), np.uint16)
    for scale, warned in ((1, False), (256, False), (257, False), (250, True)):
        colours = (table * scale).astype(np.uint16)
        picture = read_picture(by_tifffile(levels, "palette", colormap=colours))
        expected = table if scale != 250 else table * 250 // 256
        np.testing.assert_array_equal(picture.pixels, np.moveaxis(expected, 0, -1)[levels])
        assert picture.warnings == ["the 16 bits of its colour table are read as 8"] * warned


ODD = [
    ("64-bit signed grey TIFF", some("int64", 4, 5), {}),
    ("64-bit complex or untyped grey TIFF", np.zeros((4, 5), np.complex64), {}),
    ("16-bit CIELAB TIFF", some("uint16", 4, 5, 3), {"photometric": "cielab"}),
    ("16-bit photometric 32803 TIFF", some("uint16", 4, 5), {"photometric": 32803}),
    ("8-bit signed grey TIFF where white is zero", some("int8", 4, 5), {"photometric": "miniswhite"}),
    (
        "8-bit RGB TIFF with 2 more channels, alpha among them",
        some("uint8", 4, 5, 5),
        {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified"]},
    ),
    ("a TIFF of volumes", some("uint8", 16, 16, 16), {"volumetric": True, "tile": (16, 16, 16)}),
]


@pytest.mark.parametrize(("what", "pixels", "options"), ODD, ids=range(len(ODD)))
def test_what_cannot_be_read_is_named_and_the_codecs_are_not_asked_for(what, pixels, options):
    stream = by_tifffile(pixels, **{"planarconfig": "contig"} | options)
    with pytest.raises(ImageError, match=rf"^not supported: {what}.*; ") as refused:
        read_picture(stream)
    assert "install" not in str(refused.value)


def test_a_compression_that_nobody_knows_is_not_supported_and_one_that_pillow_lacks_is_read():
    pixels = some("uint8", 20, 30, 3)
    data = file_of(pixels, "rgb", compression="lerc").getvalue()
    np.testing.assert_array_equal(read_picture(io.BytesIO(data)).pixels, pixels)
    entry = struct.pack("<HHI", 259, 3, 1)
    unknown = data.replace(entry + struct.pack("<H", 34887), entry + struct.pack("<H", 12345))
    with pytest.raises(ImageError, match=r"^not supported: 8-bit RGB TIFF of compression 12345"):
        read_picture(io.BytesIO(unknown))


# Pages


FIRST, LAST = some("uint8", 9, 8, 3), some("uint8", 4, 5, 3)


def pages(path, odd, **options):
    with tifffile.TiffWriter(path) as file:
        file.write(FIRST, photometric="rgb")
        file.write(odd, **options)
        file.write(LAST, photometric="rgb", subfiletype=1)
    return path


def test_a_page_that_cannot_be_read_does_not_cost_the_first_one(tmp_path, quick):
    pages(tmp_path / "in.tif", some("uint16", 9, 8), photometric=32803)
    command = "apply", "in.tif", "-k", "identity", "-o", "out.tif"
    ran = quick(*command)
    assert ran.code == 1
    assert re.search("frame 2 of 3: not supported: 16-bit photometric 32803 TIFF; .*--frames first", ran.err)
    for more in (["--dry-run"], []):
        assert quick(*command, "--frames", "first", "-q", *more).code == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), FIRST)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_pages_are_written_once_and_never_read_again(dtype):
    parts, page = [], some(dtype, 16, 16, 3)
    stream = SimpleNamespace(write=lambda data: parts.append(bytes(data)) or len(data))
    assert write_frames(stream, (Picture(page.copy(), "RGB", "tiff") for _ in range(50)), 50, "tiff") == []
    data = b"".join(parts)
    assert len(data) < 50 * 2 * (page.nbytes + 300)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert len(file.pages) == 50
        np.testing.assert_array_equal(file.pages[49].asarray(), page)


def test_pillow_sees_each_page_as_if_it_were_the_only_one(tmp_path, monkeypatch):
    """Libtiff goes through all pages to find one: 1000 pages would take a million steps."""
    page = some("uint8", 8, 8)
    with open(tmp_path / "a.tif", "wb") as stream:
        write_frames(stream, (Picture(page + number, "L", "tiff") for number in range(20)), 20, "tiff")
    before = (tmp_path / "a.tif").read_bytes()
    load, counts = TiffImagePlugin.TiffImageFile.load, []

    def spy(image):
        with Image.open(io.BytesIO(bytes(image.fp.getvalue()))) as alone:
            counts.append(alone.n_frames)
        return load(image)

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", spy)
    for number in (7, 0, 19):
        picture = read_picture(tmp_path / "a.tif", frame=number)
        np.testing.assert_array_equal(picture.pixels, page + number)
    assert {*counts} == {1}
    assert (tmp_path / "a.tif").read_bytes() == before


def test_deep_pages_are_read_once():
    stream, pages = io.BytesIO(), np.random.default_rng(0).random((9, 60, 80, 3))
    write_frames(stream, [Picture(page, "RGB", "tiff") for page in pages.copy()], 9, "tiff")
    file = Counting(stream.getvalue())
    np.testing.assert_array_equal([picture.pixels for picture in read_frames(file)], pages)
    assert file.count < 2.5 * len(stream.getvalue())


def test_a_file_that_ends_within_its_pages_is_refused():
    stream = io.BytesIO()
    write_frames(stream, (Picture(some("uint8", 8, 8), "L", "tiff") for _ in range(3)), 3, "tiff")
    with pytest.raises(ImageError, match=r"^broken tiff data \(it ends before its page 3 does\)$"):
        read_picture(io.BytesIO(stream.getvalue()[:-20]))


def test_more_than_four_gigabytes_are_refused_in_words(monkeypatch):
    monkeypatch.setattr("convfilter.images.tiff._LARGEST", 5000)
    with pytest.raises(ImageError, match=r"^frame 3 of 9: tiff holds 4 GiB at most; try npy$"):
        write_frames(io.BytesIO(), (Picture(some("uint8", 40, 40), "L", "tiff") for _ in range(9)), 9, "tiff")


GEO = [
    (33550, 12, 3, (30.0, 30.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (42112, 2, 0, "<GDALMetadata/>", True),
    (42113, 2, 0, "99", True),
]


def filtered(tmp_path, kernel="identity", suffix=".tif", **options):
    """Warnings, and the tags of the first page as tifffile reads them: number and value."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        filter_file(tmp_path / "in.tif", tmp_path / f"out{suffix}", kernel, overwrite=True, **options)
    lines = [str(each.message).partition("in.tif: ")[2] for each in caught]
    if suffix != ".tif":
        return lines, []
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        return lines, [(tag.code, tag.value) for tag in file.pages[0].tags]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("dtype", "big"), [("uint8", False), ("uint8", True), ("float64", False)])
def test_tags_come_back_byte_for_byte_by_either_writer(tmp_path, dtype, big, order):
    given = [
        (269, 2, 0, "plan é".encode() + b"\0", True),
        (315, 2, 0, "Jörg Müller".encode() + b"\0", True),
        (285, 2, 0, "page", True),
        (318, 5, 2, (3127, 10000, 329, 1000), True),
        (33432, 2, 0, "© Jörg".encode() + b"\0", True),
        (33723, 4, 3, (0x1C020500, 0x05746974, 0x6C650000), True),
        (65000, 12, 2, (0.5, -2.0), True),
        (65001, 8, 3, (-1, 2, -3), True),
        (65002, 7, 3, b"abc", True),
    ]
    text = "täst, 5 µm".encode()
    options = {"extratags": given + GEO, "description": text, "byteorder": order, "bigtiff": big}
    tifffile.imwrite(tmp_path / "in.tif", some(dtype, 16, 16), **options)
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        before = {tag.code: tag.value for tag in file.pages[0].tags}
    lines, found = filtered(tmp_path)
    after = dict(found)
    numbers = {number for number, *_ in given + GEO}
    assert {number: after[number] for number in numbers} == {number: before[number] for number in numbers}
    assert after[315] == "Jörg Müller"
    assert [value for number, value in found if number == 270] == [text.decode()]
    assert lines == ["declares the no-data value 99, which is filtered like any other sample"]


def test_what_a_tag_points_to_begins_at_an_even_address(tmp_path):
    """TIFF 6.0 requires it, and some readers rely on it."""
    tags = [(269, 2, 0, "plan", True), (65002, 7, 5, b"abcde", True), (65001, 3, 3, (1, 2, 3), True)]
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        for _ in range(2):
            file.write(some("uint8", 3, 5), rowsperstrip=1, extratags=tags, metadata=None)
    filter_file(tmp_path / "in.tif", tmp_path / "out.tif", "identity")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        for page in file.pages:
            assert page.offset % 2 == 0
            assert {65001, 65002, 269} <= {tag.code for tag in page.tags}
            assert [tag.code for tag in page.tags if tag.valueoffset % 2] == []


def place_of(tags, row, column):
    """Where the centre of a pixel lies in the world, by the definition of GeoTIFF."""
    half = 0.0 if tags[34735][7] == 2 else 0.5
    across, down = column + half, row + half
    if 34264 in tags:
        matrix = np.reshape(tags[34264], (4, 4))
        return tuple(matrix[:2] @ [across, down, 0, 1])
    (scale_x, scale_y, _), (i, j, _, x, y, _) = tags[33550], tags[33922]
    return x + (across - i) * scale_x, y - (down - j) * scale_y


MATRIX = (34264, 12, 16, (20.0, 5.0, 0.0, 5e5, 4.0, -30.0, 0.0, 4e6, *[0.0] * 7, 1.0), True)
RPC = (50844, 12, 2, (1.0, 2.0), True)


@pytest.mark.parametrize("matrix", [True, False])
@pytest.mark.parametrize("raster", [1, 2])  # pixels are areas, or points
@pytest.mark.parametrize(
    ("kernel", "options", "row", "column"),
    [
        ("box", {"padding": "valid"}, (1, 1), (1, 1)),
        ("box", {"stride": (2, 3)}, (0, 2), (0, 3)),
        ("box", {"padding": 2, "stride": 2}, (-1, 2), (-1, 2)),
        (["box", "box"], {"padding": "valid", "stride": (2, 1)}, (3, 4), (2, 1)),
    ],
)
def test_pixels_stay_where_they_are_in_the_world(tmp_path, matrix, raster, kernel, options, row, column):
    keys = (34735, 3, 8, (1, 1, 0, 1, 1025, 0, 1, raster), True)
    tags = [keys, RPC, *([MATRIX] if matrix else GEO[:2])]
    tifffile.imwrite(
        tmp_path / "in.tif", some("uint8", 16, 16), extratags=tags, resolution=(5, 4), resolutionunit=1
    )
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        before = {tag.code: tag.value for tag in file.pages[0].tags}
    warnings, found = filtered(tmp_path, kernel, **options)
    after = dict(found)
    for point in ((0, 0), (3, 2)):
        origin = [start + step * place for (start, step), place in zip((row, column), point, strict=True)]
        np.testing.assert_allclose(place_of(after, *point), place_of(before, *origin), rtol=1e-15)
    assert (after[282], after[283]) == ((5, column[1]), (4, row[1]))
    assert warnings == ["the RPC coefficients no longer fit: dropped"]
    assert 50844 not in after


def test_what_is_said_of_places_goes_with_an_image_that_is_turned(tmp_path):
    tags = [*GEO, (274, 3, 1, 6, True), (286, 5, 1, (1, 2), True)]
    tifffile.imwrite(tmp_path / "in.tif", some("uint8", 16, 16), extratags=tags)
    warnings, found = filtered(tmp_path)
    assert warnings[1:] == [
        "the GeoTIFF tags no longer fit: dropped",
        "the page position no longer fits: dropped",
    ]
    assert not {286, 33550, 33922, 34735} & dict(found).keys()
    assert dict(found)[42113] == "99"
    assert filtered(tmp_path, suffix=".png")[0][1:] == [
        "png cannot hold page position, GeoTIFF tags and no-data value: dropped"
    ]


STACKS = [
    ({"frames": "first"}, None, (16, 16)),
    ({"kernel": "temporal-blur", "padding": "valid"}, "frames", (4, 16, 16)),
    ({"kernel": "box", "padding": "valid"}, "frames", (6, 14, 14)),
]


@pytest.mark.parametrize("program", ["ImageJ", "OME"])
@pytest.mark.parametrize(("change", "axis", "shape"), STACKS)
def test_a_description_for_a_program_fits_what_is_written_or_is_dropped(
    tmp_path, program, change, axis, shape
):
    stack = some("uint16", 6, 16, 16)
    options = {"imagej": True} if program == "ImageJ" else {"ome": True}
    metadata = {"axes": "TYX", "unit": "um", "finterval": 0.5, "min": 3.0}
    tifffile.imwrite(tmp_path / "in.ome.tif", stack, metadata=metadata, **options)
    (tmp_path / "in.ome.tif").rename(tmp_path / "in.tif")
    assert filtered(tmp_path)[0] == []
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].kind == program.lower()
        assert np.array_equal(file.asarray(), stack)
    warnings, _ = filtered(tmp_path, **change)
    gone = f"the {program} description no longer fits: dropped"
    assert warnings == ([gone] if program == "OME" else [])
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.asarray().shape == shape
        assert [series.shape for series in file.series] in ([shape], [shape[1:]] * shape[0])
        found = file.imagej_metadata or {}
        if program == "ImageJ":
            assert (found["unit"], found["min"]) == ("um", 3.0)
            assert found.get("frames") == (shape[0] if axis else None)
    filtered(tmp_path, depth=8)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert "min" not in (file.imagej_metadata or {})
    assert filtered(tmp_path, suffix=".png", frames="first")[0] == [
        f"png cannot hold {program} description: dropped"
    ]


def test_tags_that_may_hold_addresses_or_images_are_reported(tmp_path):
    image = saved(Image.new("RGB", (8, 8)), "JPEG").getvalue()
    odd = [(65000, 4, 2, (8, 9), True), (65001, 7, len(image), image, True)]
    tifffile.imwrite(tmp_path / "in.tif", some("uint8", 16, 16), extratags=odd)
    lines, found = filtered(tmp_path)
    assert lines == ["cannot be carried to another file: tag 65000, tag 65001: dropped"]
    assert not {65000, 65001} & dict(found).keys()


def test_pixels_at_a_place_that_is_a_text_are_refused():
    data = bytearray(file_of(some("uint8", 8, 8)).getvalue())
    place = data.index(struct.pack("<HH", 273, 4))
    data[place + 2] = 2
    with pytest.raises(ImageError, match="tag 273 does not hold whole numbers"):
        read_picture(io.BytesIO(data))
