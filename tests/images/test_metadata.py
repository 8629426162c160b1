"""What a file says beside its pixels: as it is read, kept and named when it is lost."""

import io
import struct

import numpy as np
import pytest
from encoded import encoded, resource, saved, with_segments
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2
from samples import moving, noise

from convfilter.batch import filter_file
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import opened_frames, read_picture
from convfilter.images.webp import avif_is_deep
from convfilter.images.writing import write_frames, write_picture
from convfilter.options import EncodeOptions

PROFILE = struct.pack(">I", 400) + bytes(12) + b"RGB " + bytes(16) + b"acsp" + bytes(range(180)) * 2


# GIF, BMP, WebP

BESIDE = {
    "comments": (b"by hand " * 60, b"again"),
    "xmp": b"<x:xmpmeta>" + bytes(range(1, 256)) * 3,
    "chunks": ((b"pHYs", struct.pack(">IIB", 64, 77, 0)),),
}


def gif(count, **metadata):
    pictures = [Picture(frame, "RGB", "gif", Metadata(duration=70, **metadata)) for frame in moving(count)]
    stream = io.BytesIO()
    assert write_frames(stream, pictures, count if count > 1 else 0, "gif") == []
    return stream.getvalue()


@pytest.mark.parametrize("count", [1, 5])
def test_a_gif_keeps_comments_xmp_aspect_and_time_wherever_they_stand(count):
    data, bare = gif(count, **BESIDE), gif(count)
    start, length = data.index(b"!\xfe"), len(data) - len(bare)
    at_the_end = data[:start] + data[start + length : -1] + data[start : start + length] + b";"
    for made in (data, at_the_end):
        with opened_frames(io.BytesIO(made), max_pixels=None) as frames:
            metadata = frames.read(count - 1).metadata
        assert {name: getattr(metadata, name) for name in BESIDE} == BESIDE
        assert metadata.duration == 70
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == count


def test_a_profile_in_a_gif_goes_to_other_formats_and_other_extensions_are_named():
    blocks = b"".join(bytes([len(part)]) + part for part in (PROFILE[:200], PROFILE[200:]))
    extensions = b"!\xff\x0bICCRGBG1012" + blocks + b"\0!\xff\x0bFRACTINT001\1x\0"
    data = gif(1)
    picture = read_picture(io.BytesIO(data[:-1] + extensions + b";"))
    stream = io.BytesIO()
    word = "dropped because it may not fit the filtered image: extension FRACTINT001"
    lost = "png cannot hold the duration of a still image: dropped"
    assert write_picture(stream, picture, "png") == [word, lost]
    assert read_picture(stream).metadata.icc == PROFILE


@pytest.mark.parametrize(
    ("space", "gamma", "word"),
    [
        (b"DEBM", 0, None),
        (b"KNIL", 0, "a linked colour profile"),
        (bytes(4), 9, "calibrated colours"),
        (b"BGRs", 9, ""),
    ],
)
def test_the_colours_of_a_bmp_are_read_or_named(space, gamma, word):
    data = encoded(noise("RGB"), "RGB", "bmp")
    pixels = data[54:]
    header = bytearray(struct.pack("<I", 124) + data[18:54]).ljust(124, b"\0")
    header[56:60] = space
    struct.pack_into("<I", header, 56 + 4 + 36, gamma)
    struct.pack_into("<II", header, 112, 124 + len(pixels), len(PROFILE))
    file = b"BM" + struct.pack("<IHHI", 0, 0, 0, 138) + header + pixels + PROFILE
    picture = read_picture(io.BytesIO(file))
    np.testing.assert_array_equal(picture.pixels, noise("RGB"))
    assert picture.metadata.icc == (PROFILE if word is None else None)
    assert picture.metadata.unknown == ((word,) if word else ())


def test_unknown_chunks_of_a_webp_are_named():
    data = encoded(noise("RGB"), "RGB", "webp", xmp=b"<x:xmpmeta/>") + b"C2PA\4\0\0\0sign"
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    picture = read_picture(io.BytesIO(data))
    assert (picture.metadata.unknown, picture.metadata.xmp) == (("chunk C2PA",), b"<x:xmpmeta/>")


# JPEG


@pytest.mark.parametrize(
    ("numbers", "order"), [([1, 2], "ab"), ([2, 1], "ba"), ([0, 1], "ab"), ([1, 1], "ab")]
)
def test_a_profile_in_parts_is_put_together_whatever_their_numbers(numbers, order):
    parts = {"a": PROFILE[:200], "b": PROFILE[200:]}
    contents = [bytes([number, 2]) + parts[each] for number, each in zip(numbers, order, strict=True)]
    segments = [(0xE2, b"ICC_PROFILE\0" + content) for content in contents]
    assert read_picture(with_segments(*segments)).metadata.icc == PROFILE
    cut = read_picture(with_segments(segments[order.index("a")]))
    assert (cut.metadata.icc, cut.warnings) == (None, ["malformed ICC profile dropped"])


def test_a_gain_map_is_dropped_and_no_longer_announced():
    packet = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="kept" hdrgm:Version="1.0"
        xmpNote:HasExtendedXMP='18AC'><Container:Directory><rdf:Seq><rdf:li><Container:Item
        Item:Semantic="GainMap"/></rdf:li></rdf:Seq></Container:Directory><hdrgm:Gamma><rdf:Seq><rdf:li>1</rdf:li>
        </rdf:Seq></hdrgm:Gamma></rdf:Description></x:xmpmeta>"""
    iso = 0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
    picture = read_picture(with_segments((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet), iso))
    word = "the gain map is dropped: the image without it is of standard range"
    assert picture.warnings == [word]
    for left in (b"hdrgm", b"GainMap", b"HasExtended"):
        assert left not in picture.metadata.xmp
    assert b'dc:title="kept"' in picture.metadata.xmp
    assert picture.metadata.xmp.endswith(b"</rdf:Description></x:xmpmeta>")
    assert write_picture(io.BytesIO(), picture) == [
        "dropped because it may not fit the filtered image: a gain map"
    ]


IPTC = resource(0x0404, b"\x1c\2\5\0\5Title")


def test_comments_and_photoshop_data_of_a_jpeg_are_kept_in_their_order_without_thumbnails():
    large = resource(0x0FA0, bytes(range(256)) * 400)  # goes on in the next segment
    inner = resource(0x0FA1, b"x" + saved(Image.new("RGB", (8, 8)), "JPEG").getvalue())
    copies = [resource(kind, b"old") for kind in (0x0409, 0x040C, 0x0422, 0x0424)]
    data = b"".join([copies[0], IPTC, *copies[1:], inner, large])
    parts = [(0xED, b"Photoshop 3.0\0" + data[at : at + 60_000]) for at in range(0, len(data), 60_000)]
    picture = read_picture(with_segments((0xFE, b"one"), *parts, (0xFE, b"two"), (0xFE, b"one")))
    stream = io.BytesIO()
    assert picture.warnings + write_picture(stream, picture) == []
    after = read_picture(stream).metadata
    assert (after.comments, after.photoshop) == ((b"one", b"two", b"one"), IPTC + large)


def test_what_a_jpeg_holds_besides_is_named_in_one_warning_unless_all_is_stripped():
    extension = b"http://ns.adobe.com/xmp/extension/\0" + bytes(40)
    known = (0xE0, b"JFXX\0"), (0xEC, b"Ducky")
    picture = read_picture(
        with_segments((0xE1, extension), (0xEB, b"JP"), (0xEB, b"JP"), (0xFE, b"one"), *known)
    )
    word = "dropped because it may not fit the filtered image: extended XMP, segment APP11"
    assert picture.warnings + write_picture(io.BytesIO(), picture) == [word]
    lost = "webp cannot hold comments: dropped"
    assert write_picture(io.BytesIO(), picture, "webp") == [word, lost]
    assert write_picture(io.BytesIO(), picture, "webp", EncodeOptions(strip=True)) == []


def test_broken_photoshop_data_are_dropped_with_a_warning():
    picture = read_picture(with_segments((0xED, b"Photoshop 3.0\0" + IPTC + IPTC[:-4])))
    assert (picture.metadata.photoshop, picture.warnings) == (IPTC, ["malformed Photoshop data dropped"])


def test_a_resolution_of_zero_is_none():
    data = bytearray(encoded(noise("RGB"), "RGB", "jpeg"))
    for density, dpi in (((300, 150), (300, 150)), ((0, 0), None), ((300, 0), None)):
        data[13:18] = struct.pack(">BHH", 1, *density)
        picture = read_picture(io.BytesIO(data))
        assert (picture.metadata.dpi, picture.warnings) == (dpi, [])


def test_the_pixel_aspect_of_a_jpeg_goes_to_png():
    data = bytearray(encoded(noise("RGB"), "RGB", "jpeg"))
    data[13:18] = struct.pack(">BHH", 0, 4, 3)
    picture = read_picture(io.BytesIO(data))
    stream = io.BytesIO()
    assert write_picture(stream, picture, "png") == []
    assert read_picture(stream).metadata.chunks == ((b"pHYs", struct.pack(">IIB", 4, 3, 0)),)
    assert write_picture(io.BytesIO(), picture) == ["jpeg cannot hold a pixel aspect: dropped"]


# EXIF

NOTE = b"Maker\0" + bytes(range(60))


def exif_block(order="<", orientation=None):
    """EXIF as a camera writes it: several types, a maker's note, interoperability."""
    exif = Image.Exif()
    exif.endian = order
    exif[271], exif[0x9C9B] = "Maker", "title".encode("utf-16-le")
    if orientation:
        exif[274] = orientation
    exif[34665] = {36864: b"0230", 37386: IFDRational(213, 10), 37500: NOTE, 40965: {1: "R98"}}
    exif[34853] = {0: b"\2\3\0\0", 1: "N"}
    return exif.tobytes()


def directories(data, start):
    """Type and value of the tags: in the first directory, for EXIF, for GPS and for interoperability."""
    stream = io.BytesIO(data[start:])
    header = stream.read(8)

    def tags_at(place):
        found = ImageFileDirectory_v2(header)
        stream.seek(place)
        found.load(stream)
        return {tag: (found.tagtype[tag], found[tag]) for tag in found}

    first = tags_at(ImageFileDirectory_v2(header).next)
    exif, gps = (tags_at(first.pop(tag)[1]) for tag in (34665, 34853))
    return first, exif, gps, tags_at(exif.pop(40965)[1])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_goes_into_a_tiff_with_its_types_and_the_makers_note_in_its_place(tmp_path, form, order):
    block, source = exif_block(order), tmp_path / f"in.{form.lower()}"
    source.write_bytes(saved(Image.new("RGB", (8, 8), "red"), form, exif=block).getvalue())
    filter_file(source, tmp_path / "out.tiff", "identity")
    before, *groups = directories(block, 6)
    for data, start in (((tmp_path / "out.tiff").read_bytes(), 0), *again(tmp_path)):
        first, *others = directories(data, start)
        assert before.items() <= first.items()
        assert others == groups
        assert data.index(NOTE) - start == block.index(NOTE) - 6


def again(tmp_path):
    """The same by way of the TIFF: a TIFF of it, and the EXIF of a PNG of it."""
    for name in ("again.tiff", "again.png"):
        filter_file(tmp_path / "out.tiff", tmp_path / name, "identity")
        data = (tmp_path / name).read_bytes()
        yield data, data.index(b"eXIf") + 4 if name.endswith("png") else 0


def test_exif_goes_into_an_avif_as_it_is_but_for_the_orientation(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "in.jpg", exif=exif_block(orientation=1))
    filter_file(tmp_path / "in.jpg", tmp_path / "out.avif", "identity")
    before, after = (
        directories(read_picture(tmp_path / name).metadata.exif, 6) for name in ("in.jpg", "out.avif")
    )
    assert before[0].pop(274) == (3, 1)
    assert after == before


def test_broken_exif_is_dropped_with_a_warning_on_the_way_to_a_tiff(tmp_path, recwarn):
    pointer = struct.pack("<HHI", 34665, 4, 1)
    before, after = exif_block().split(pointer)
    block = before + pointer + struct.pack("<I", 9999) + after[4:]
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png", exif=block)
    filter_file(tmp_path / "in.png", tmp_path / "out.tiff", "identity")
    assert "malformed EXIF dropped" in [str(each.message).split(": ")[1] for each in recwarn]
    assert [tag.number for tag in read_picture(tmp_path / "out.tiff").metadata.tags] == [271, 0x9C9B]


def test_a_value_of_a_wrong_type_does_not_cost_the_block(tmp_path, recwarn):
    block = b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack("<HHI4s", 282, 2, 1, b"")
    block += struct.pack("<HHI4s", 271, 2, 4, b"Ann") + bytes(4)
    Image.new("RGB", (8, 8)).save(tmp_path / "in.jpg", exif=block)
    for form in ("jpg", "png", "webp", "avif"):
        filter_file(tmp_path / "in.jpg", tmp_path / f"out.{form}", "identity")
        with Image.open(tmp_path / f"out.{form}") as image:
            assert image.getexif()[271] == "Ann"
    assert not recwarn.list


@pytest.mark.parametrize(
    ("tags", "lost"),
    [
        ({305: "program"}, []),
        ({297: (0, 1)}, []),
        ({305: "program", 271: "Maker"}, ["npy cannot hold EXIF: dropped"]),
        ({297: (1, 2)}, ["npy cannot hold page numbers: dropped"]),
    ],
)
def test_a_program_and_the_only_page_say_nothing(tmp_path, recwarn, tags, lost):
    Image.new("L", (8, 8)).save(tmp_path / "in.tif", tiffinfo=tags)
    filter_file(tmp_path / "in.tif", tmp_path / "out.npy", "identity")
    assert [str(each.message).split(": ", 1)[1] for each in recwarn] == lost


def test_what_programs_write_into_exif_alone_is_not_lost_with_the_resolution(tmp_path, recwarn):
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 300.0, 150.0, 2
    Image.new("RGB", (8, 8)).save(tmp_path / "in.webp", exif=exif)
    for name in ("out.tiff", "out.webp"):
        filter_file(tmp_path / "in.webp", tmp_path / name, "identity")
        with Image.open(tmp_path / name) as image:
            assert [float(image.getexif()[tag]) for tag in (282, 283)] == [300, 150]
    assert not recwarn.list


@pytest.mark.parametrize("name", ["in.jpg", "in.tif"])
@pytest.mark.parametrize(
    ("turn", "stated", "size"), [(1, (9, 6), (5, 3)), (6, (9, 6), (3, 5)), (1, (99, 6), (99, 6))]
)
def test_the_size_that_exif_states_stays_true_if_it_was(tmp_path, turn, stated, size, name):
    exif = Image.Exif()
    exif[274] = turn
    exif.get_ifd(34665).update(zip((40962, 40963), stated, strict=True))
    Image.new("RGB", (9, 6)).save(tmp_path / "in.jpg", exif=exif)
    filter_file(tmp_path / "in.jpg", tmp_path / "in.tif", "identity", orient=False)
    filter_file(tmp_path / name, tmp_path / "out.jpg", "identity", stride=2)
    with Image.open(tmp_path / "out.jpg") as image:
        found = image.getexif().get_ifd(34665)
    assert (found[40962], found[40963]) == size


def test_avif_of_more_than_eight_bits_is_told_by_its_configuration():
    data = bytearray(encoded(noise("RGB"), "RGB", "avif"))
    assert not avif_is_deep(io.BytesIO(data))
    data[data.find(b"av1C") + 6] |= 0x40
    assert avif_is_deep(io.BytesIO(data))
