"""Hints where much of a result is clipped or nearly black, held against the result itself."""

import json

import numpy as np
import pytest
from samples import SAMPLE_IMAGES, animate, load, save

COFFEE = SAMPLE_IMAGES / "coffee.png"


def hint(quick, *arguments):
    """The hint of a run that writes to `out.png`."""
    ran = quick("apply", *arguments, "-o", "out.png", "--overwrite")
    assert ran.code == 0, ran.err
    hints = [line for line in ran.complaints if "hint: " in line]
    assert len(hints) <= 1
    return hints[0].partition("hint: ")[2] if hints else ""


@pytest.mark.parametrize("name", ["scharr", "kirsch", "log", "dog", "sobel", "blur", "prewitt", "laplacian"])
def test_there_is_a_hint_where_a_tenth_is_clipped_or_nearly_all_is_dark(quick, tmp_path, name):
    found = hint(quick, COFFEE, "-k", name)
    exact = json.loads(quick("apply", COFFEE, "-k", name, "-o", "b.png", "--json").out)
    assert ("clipped" in found) == (exact["clipped_below"] + exact["clipped_above"] > 0.1), found
    assert ("below 5%" in found) == (np.percentile(load(tmp_path / "b.png"), 95) < 0.05 * 255), found


def test_following_a_hint_ends_it(quick, tmp_path):
    assert "--range stretch" in hint(quick, COFFEE, "-k", "scharr")
    assert hint(quick, COFFEE, "-k", "scharr", "--range", "stretch") == ""
    assert hint(quick, COFFEE, "-k", "scharr").endswith("scharr divided by 16")  # 3 + 10 + 3
    assert hint(quick, COFFEE, "-k", "-3 0 3; -10 0 10; -3 0 3 / 16") == ""
    assert "--range signed" in hint(quick, COFFEE, "-k", "laplacian", "--range", "clip")
    assert hint(quick, COFFEE, "-k", "laplacian", "--range", "signed") == ""
    assert "--range stretch" in hint(quick, COFFEE, "-k", "log")
    assert hint(quick, COFFEE, "-k", "log", "--range", "stretch") == ""


def test_a_hint_says_what_helps_and_is_judged_as_the_result_is(quick, tmp_path):
    save(tmp_path / "harsh.png", np.random.default_rng(0).integers(0, 2, (90, 90), np.uint8) * 255)
    assert hint(quick, COFFEE, "-k", "scharr").startswith("about ")
    assert hint(quick, "harsh.png", "-k", "sharpen") == ""  # what is clipped is no loss
    assert hint(quick, "harsh.png", "-k", "scharr") != ""
    assert hint(quick, "harsh.png", "-k", "scharr", "--region", "9x9+0+0") == ""
    assert hint(quick, "harsh.png", "-k", "scharr", "--mask", "harsh.png") == ""
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", load(COFFEE)[..., 0], extratags=[(42113, 2, 0, "7", True)])
    marked = hint(quick, "a.tif", "-k", "scharr", "--missing", "7")
    assert marked == hint(quick, "a.tif", "-k", "scharr", "--missing", "nodata") != ""


def test_weights_that_brighten_can_be_divided_by_their_sum(quick):
    found = hint(quick, COFFEE, "-k", "1 2 1; 2 4 2; 1 2 1")
    assert found.endswith("the weights add up to 16; add ' / sum' to keep the brightness")
    assert hint(quick, COFFEE, "-k", "1 2 1; 2 4 2; 1 2 1 / sum") == ""


def test_nine_numbers_in_one_row_may_be_meant_as_three_rows(quick):
    row = "0,0,0,0,1,0,0,0,0"
    found = hint(quick, COFFEE, "-k", row)
    assert found.startswith("9 numbers in one row; for a 3x3 kernel separate the rows with ';'")
    assert hint(quick, COFFEE, "-k", found.split("'")[-2]) == ""
    assert hint(quick, COFFEE, "-k", f"[[{row}]]") == hint(quick, COFFEE, "-k", row, "-q") == ""
    refused = quick("apply", COFFEE, "-k", "1 2 1, 2 4 2, 1 2 1").err.splitlines()
    assert len(refused) == 1
    assert "separate rows with ';'" in refused[0]


def test_a_dark_image_that_stays_as_it_was_gets_no_hint(quick, tmp_path):
    save(tmp_path / "night.png", load(COFFEE) // 40)
    assert hint(quick, "night.png", "-k", "blur") == ""
    assert "stretch" in hint(quick, "night.png", "-k", "sobel-x")


def test_a_run_has_one_hint_and_a_quiet_one_none(quick, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "in" / f"{name}.png", load(COFFEE)[200:280, 200:290])
    ran = quick("apply", "in", "-k", "scharr", "-o", "out")
    assert ran.err.count("hint: ") == 1
    assert quick("apply", "in", "-k", "scharr", "-o", "two", "-q").err == ""
    assert "hint" not in quick("apply", "in", "-k", "scharr", "-o", "three", "-n").err
    animate(tmp_path / "frames.tif", [load(COFFEE)[200:280, 200:290]] * 3)
    assert quick("apply", "frames.tif", "-k", "scharr").err.count("hint: ") == 1
