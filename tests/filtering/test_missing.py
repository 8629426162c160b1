"""Missing samples: what is there is filtered as if nothing else was."""

import numpy as np
import pytest
from filters import BLUR, DEPTHS, picture
from samples import grey, load, save

from convfilter import ConvfilterError, apply_kernel, drawing, filter_file, get_kernel


@pytest.mark.parametrize("dtype", [*DEPTHS, "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "kernel", ["blur", "gaussian:sigma=1.3", "sharpen", "sobel", "log", "luma", "emboss"]
)
def test_windows_that_are_whole_give_the_plain_result_and_holes_hide_what_is_in_them(kernel, dtype):
    """To the last bit; flat stays flat; nan never spreads."""
    pixels = picture(0, 90, 100, 3, dtype=dtype)
    holes = np.zeros((90, 100), bool)
    holes[40:43, 50:55] = holes[0, 0] = True
    plain = apply_kernel(pixels, kernel)
    others = pixels.copy()
    others[holes] = np.nan if pixels.dtype.kind == "f" else 13
    made = apply_kernel(others, kernel, missing=~holes)
    reach = get_kernel(kernel).height // 2
    near = np.zeros_like(holes)
    for row, column in zip(*np.nonzero(holes), strict=True):
        near[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = True
    assert made[~near].tobytes() == plain[~near].tobytes()
    if pixels.dtype.kind == "f":
        by_value = apply_kernel(others, kernel, missing=np.nan)
        positive = np.min(get_kernel(kernel).parts) >= 0
        if kernel != "luma":
            assert np.isnan(by_value[holes]).all() != positive
        assert np.isfinite(by_value[~holes]).all()
        assert (made[~holes] == by_value[~holes]).all()
    flat = np.where(holes[..., np.newaxis], others, pixels[5, 5])
    level = apply_kernel(np.broadcast_to(pixels[5, 5], flat.shape).copy(), kernel)
    filled = apply_kernel(flat, kernel, missing=~holes)[~holes]
    tolerance = 1e-5 if pixels.dtype.kind == "f" else 0
    np.testing.assert_allclose(filled.astype(float), level[~holes].astype(float), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": True}, "missing=True"),
        ({"missing": np.zeros((3, 3))}, "the mask of missing samples is 3x3"),
        ({"missing": 0, "alpha": "premultiply"}, "missing samples and alpha"),
    ],
)
def test_what_marks_no_samples_is_refused(options, message):
    with pytest.raises(ConvfilterError, match=message):
        apply_kernel(picture(0, 6, 7, 4), BLUR, **options)


def test_files_say_what_is_missing(quick, monkeypatch):
    """By a number, a mask, or the no-data value of a TIFF, which is carried on; in every command."""
    tifffile = pytest.importorskip("tifffile")
    pixels = grey()
    pixels[2:4, 3:6] = 99
    tifffile.imwrite("a.tif", pixels, extratags=[(42113, 2, 0, "99", True)])
    save("plain.tif", pixels)
    save("mask.png", (pixels != 99).astype(np.uint8) * 255)
    expected = apply_kernel(pixels, "blur", missing=99)
    for missing in ("nodata", "99", "mask.png"):
        ran = quick("apply", "a.tif", "-k", "blur", "--missing", missing, "-o", "b.tif", "--overwrite")
        assert (ran.code, ran.err) == (0, "")
        np.testing.assert_array_equal(load("b.tif"), expected)
        with tifffile.TiffFile("b.tif") as file:
            assert file.pages[0].tags[42113].value == "99"
    line = "a.tif: warning: declares the no-data value 99, which is filtered like any other sample"
    for command, *rest in (("apply", "-o", "c.tif"), ("explain", "--at", "0,0"), ("gallery", "-o", "c.png")):
        assert line in quick(command, "a.tif", "-k", "blur", *rest).err
        rest = [*rest, "--missing", "99", *(["--overwrite"] if "-o" in rest else [])]
        assert quick(command, "a.tif", "-k", "blur", *rest).err == ""
    ran = quick("gallery", "a.tif", "-k", "blur", "--vary", "missing=nodata,99", "-o", "v.png")
    assert (ran.code, ran.err) == (0, "")
    assert "no-data" not in quick("learn", "a.tif", "plain.tif", "--size", "3").err
    for name, scale in (("s.tif", "stretch"), ("r.tif", "signed")):
        ran = quick("apply", "a.tif", "-k", "blur", "--range", scale, "-o", name)
        assert "the no-data value no longer fits: dropped" in ran.err
        with tifffile.TiffFile(name) as file:
            assert 42113 not in file.pages[0].tags
        marked = quick(
            "apply", "a.tif", "-k", "blur", "--range", scale, "--missing", "nodata", "-o", f"m{name}"
        )
        assert (marked.code, "no longer fits" in marked.err) == (0, False)
        with tifffile.TiffFile(f"m{name}") as file:
            assert file.pages[0].tags[42113].value == "99"
    ran = quick("apply", "plain.tif", "-k", "blur", "--missing", "nodata", "-o", "d.tif")
    assert "has no no-data value: nothing is treated as missing" in ran.err
    ran = quick("explain", "a.tif", "-k", "blur", "--missing", "nodata", "--at", "2,2")
    assert f"value {expected[2, 2]}" in ran.out
    assert "mean" in ran.out
    ran = quick("explain", "a.tif", "-k", "sobel", "--missing", "99", "--at", "2,3", "-o", "drawn.png")
    assert "the sample is missing, and so is the result" in ran.out
    tables, grid = [], drawing.grid
    monkeypatch.setattr(drawing, "grid", lambda *cells: tables.append(cells[0]) or grid(*cells))
    ran = quick("explain", "a.tif", "-k", "gaussian", "--missing", "99", "--at", "0,2", "-o", "h.png")
    assert ran.out.count("  [-: missing]\n") == 1
    assert ran.out.count(" -  ") + ran.out.count(" -\n") == 2 * 6
    assert sum(np.count_nonzero(each == "-") for each in tables) == 2 * 6  # samples and products
    assert quick("gallery", "a.tif", "-k", "blur", "--missing", "nodata", "-o", "g.png").code == 0
    assert quick("apply", "a.tif", "-k", "blur", "--missing", "none.png").code == 2
    save("small.png", np.full((3, 3), 255, np.uint8))
    ran = quick("apply", "a.tif", "-k", "blur", "--missing", "small.png", "-o", "f.tif")
    assert "the mask of missing samples is 3x3 but" in ran.err
    ran = quick("explain", "a.tif", "-k", "blur", "--missing", "-9999", "--mix", "0", "--at", "0,0")
    assert "mix 0, " in ran.out.splitlines()[0]
    assert "missing -9999" in ran.out.splitlines()[0].replace("-9999.0", "")
    filter_file("a.tif", "e.tif", "blur", missing="nodata")
    np.testing.assert_array_equal(load("e.tif"), expected)


@pytest.mark.parametrize("options", [{}, {"region": (0, 0, 8, 8)}])
def test_results_that_equal_the_mark_are_counted(options, tmp_path, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    pixels = np.full((8, 12), 7, np.uint8)
    pixels[2, 3] = 0
    np.save("a.npy", pixels)
    filter_file("a.npy", "b.npy", "sobel", missing=0, **options)
    count = np.count_nonzero(np.load("b.npy") == 0) - 1
    assert f"{count} results equal the mark" in str(recwarn.list[0].message)
    for number, mark in enumerate((9, 0.5)):  # no result equals these
        filter_file("a.npy", f"c{number}.npy", "sobel", missing=mark)
    np.save("d.npy", np.stack([pixels] * 3)[..., np.newaxis])
    filter_file("d.npy", "e.npy", "sobel", missing=0, frames="each", **options)
    assert f"{3 * count} results equal" in str(recwarn.list[1].message)
    assert len(recwarn.list) == 2


@pytest.mark.parametrize("kernel", ["blur", "sharpen", "gaussian:sigma=1"])
def test_the_only_channel_is_its_own_sum(kernel):
    pixels = picture(3, 90, 100, dtype="uint8")
    assert (pixels == 0).any()
    expected = apply_kernel(pixels, kernel, missing=0)
    np.testing.assert_array_equal(apply_kernel(pixels, kernel, missing=0, channels="sum"), expected)
