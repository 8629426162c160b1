"""What becomes of the channels that a kernel makes: colours, alpha, plain channels, or a refusal."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import frames_of, save


@pytest.fixture
def colours(tmp_path):
    """A small image, and kernels out1 to out5 whose channel N is red, green or blue in turn."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    save(tmp_path / "in.png", pixels)
    save(tmp_path / "clear.png", np.dstack([pixels, np.full((5, 7), 9, np.uint8)]))
    for count in range(1, 6):
        np.save(tmp_path / f"out{count}.npy", np.eye(3)[np.arange(count) % 3][..., np.newaxis, np.newaxis])
    return pixels


def made(quick, count, target, *options, source="in.png"):
    return quick("apply", source, "-k", f"out{count}.npy", "-o", target, *options)


@pytest.mark.parametrize(
    ("count", "options", "mode"),
    [(1, [], "L"), (3, [], "RGB"), (2, ["--alpha", "plain"], "LA"), (4, ["--alpha", "plain"], "RGBA")],
)
def test_channels_become_grey_colours_and_on_request_alpha(quick, tmp_path, colours, count, options, mode):
    assert made(quick, count, "out.png", *options).code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == mode
        expected = np.dstack([colours[..., number % 3] for number in range(count)])
        assert np.array_equal(np.asarray(image), expected[..., 0] if count == 1 else expected)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("dry", [[], ["-n"]])
def test_channels_that_may_or_may_not_be_alpha_are_refused(quick, tmp_path, colours, count, dry):
    ran = made(quick, count, "out.png", *dry)
    assert ran.code == 1
    assert f"png cannot hold 8-bit images of {count} channels" in ran.err
    assert "--alpha plain" in ran.err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("count", [2, 4, 5])
def test_any_number_of_channels_makes_an_array_or_a_tiff_of_as_many_pages(quick, tmp_path, colours, count):
    expected = [colours[..., number % 3] for number in range(count)]
    assert made(quick, count, "out.npy").code == 0
    assert np.array_equal(np.load(tmp_path / "out.npy"), np.dstack(expected))
    for dry in (["-n"], []):
        said = json.loads(made(quick, count, "out.tif", "--json", *dry).out)
        assert (said["output_channels"], said["output_frames"], said["warnings"]) == (1, count, [])
    assert np.array_equal(frames_of(tmp_path / "out.tif"), expected)
    ran = made(quick, count, "alpha.tif", source="clear.png")
    assert f"a page for each of {count} output channels, on one grey scale" in ran.out
    pages = frames_of(tmp_path / "alpha.tif")
    assert np.array_equal([page[..., 0] for page in pages], expected)
    assert all((page[..., 1] == 9).all() for page in pages)


def test_alpha_is_kept_beside_the_channels_that_are_made(quick, tmp_path, colours):
    assert made(quick, 1, "out.png", source="clear.png").code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "LA"
        assert (np.asarray(image)[..., 1] == 9).all()
    ran = made(quick, 4, "out.png", "--overwrite", source="clear.png")
    assert "images of 5 channels" in ran.err
    ran = made(quick, 3, "out.png", "--alpha", "plain", "--overwrite", source="clear.png")
    assert "needs 3 channels, and the image has 4" in ran.err
