"""Files of several frames, from file to file."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from samples import animate, frames_of, grey, load, moving, save

import convfilter as cf
from convfilter.batch import run_jobs
from convfilter.batch.plan import Job, Settings
from convfilter.images.formats import format_of_name
from convfilter.options import BatchOptions, FilterOptions, ReadOptions

TIMES = [200, 80, 60, 50, 120]
WRITTEN = {"gif": {"loop": 0}, "png": {}, "webp": {"lossless": True, "exact": True}, "tif": {}}
UNEVEN = [np.zeros((9, 9), np.uint8), np.zeros((9, 8), np.uint8)]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def ran(source, target, *kernels, dry=False, frames=None, max_pixels=1 << 20, count=False, **options):
    """What became of one file."""
    settings = Settings(
        tuple(map(cf.get_kernel, kernels)),
        FilterOptions(**options),
        reading=ReadOptions(max_pixels=max_pixels),
        batch=BatchOptions(frames, overwrite=True, jobs=1),
        count_clipped=count,
    )
    (result,) = run_jobs([Job(source, target, format_of_name(target))], settings, dry=dry)
    return result


def times_of(path):
    times = []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            times.append(image.info["duration"])
    return times


def volume(form="png"):
    """The frames that a file gives, as a stack."""
    distinct = [frame for number, frame in enumerate(moving(6)) if number != 2]
    animate(f"a.{form}", distinct, TIMES, **WRITTEN[form])
    return np.stack(distinct).astype(int)


def colours_of(path):
    return np.array(frames_of(path))[..., :3]


def test_shares_of_clipped_samples_are_those_of_all_frames():
    frames = [grey(8, 8, seed=0), np.zeros((16, 8), np.uint8), grey(8, 8, seed=2)]
    animate("a.tif", frames)
    result = ran("a.tif", "b.tif", "sharpen", count=True)
    raw = np.concatenate([cf.apply_kernel(frame, "sharpen", range="raw").ravel() for frame in frames])
    assert result.clipped_below == pytest.approx(np.mean(raw < -0.5))
    assert result.clipped_above == pytest.approx(np.mean(raw >= 255.5))


@pytest.mark.parametrize("form", WRITTEN)
def test_the_first_frame_alone_becomes_a_single_image(form):
    frames = moving()
    animate(f"a.{form}", frames, **WRITTEN[form])
    for dry in (True, False):
        result = ran(f"a.{form}", "b.bmp", "blur", frames="first", dry=dry)
        assert (result.error, result.size.frames > 1, result.output.frames) == (None, True, 1)
    assert np.array_equal(load("b.bmp"), cf.apply_kernel(frames[0], "blur"))


def test_a_file_of_one_frame_is_written_as_a_single_image():
    animate("a.gif", moving(1), [50])
    for target in ("b.gif", "b.png", "b.jpg"):
        assert ran("a.gif", target, "blur").status == "done"
        with Image.open(target) as image:
            assert getattr(image, "n_frames", 1) == 1


def test_kernels_over_frames_give_what_sums_by_hand_give():
    frames = volume()
    before, after = frames[[0, 0, 1, 2, 3]], frames[[1, 2, 3, 4, 4]]
    ran("a.png", "blur.png", "temporal-blur")
    ran("a.png", "edge.png", "temporal-edge")
    assert np.array_equal(colours_of("blur.png"), (before + 2 * frames + after + 2) // 4)
    assert np.array_equal(colours_of("edge.png"), np.abs(after - before))
    assert times_of("blur.png") == TIMES
    ran("a.png", "b.npy", "temporal-edge", "luma", range="raw")
    assert np.allclose(np.load("b.npy"), (after - before) @ [0.299, 0.587, 0.114], atol=1e-3)
    for dry in (True, False):  # the one frame left fits into a format of one
        result = ran("a.png", "c.bmp", "temporal-blur", "temporal-edge", padding="valid", dry=dry)
        assert (result.error, result.output.frames) == (None, 1)


@pytest.mark.parametrize("length", [2, 3, 4])
@pytest.mark.parametrize("padding", ["valid", "same", "full"])
def test_kernels_over_frames_give_what_the_dry_run_says(tmp_path, quick, length, padding):
    volume()
    (tmp_path / "even.toml").write_text(
        f'[even]\naxes = "frame,row,column"\nweights = {[[[1]]] * length}\ndivisor = {length}\n'
    )
    options = ("a.png", "--kernels", "even.toml", "-k", "even", "--padding", padding, "-o", "b.png", "--json")
    planned, done = (json.loads(quick("apply", *options, *dry).out) for dry in (["-n"], []))
    assert (planned["status"], done["status"]) == ("planned", "done")
    alike = [key for key in done if key not in ("status", "seconds") and not key.startswith("clipped")]
    assert [planned[key] for key in alike] == [done[key] for key in alike]
    # An output frame has the time of the one under the anchor, which is at (K - 1) // 2.
    before = {"valid": 0, "same": (length - 1) // 2, "full": length - 1}[padding]
    count = {"valid": 6 - length, "same": 5, "full": 4 + length}[padding]
    under = [min(max(frame + (length - 1) // 2 - before, 0), 4) for frame in range(count)]
    assert done["output_frames"] == count
    assert times_of("b.png") == [TIMES[frame] for frame in under]


def test_a_stack_stretches_the_range_over_all_frames():
    animate("a.tif", [np.full((4, 4), level, np.uint8) for level in (50, 100, 150)])
    for frames, levels in (("stack", [0, 128, 255]), ("each", [0, 0, 0])):
        ran("a.tif", "b.tif", "identity", frames=frames, range="stretch")
        assert [frame[0, 0] for frame in frames_of("b.tif")] == levels


def test_arrays_are_volumes_for_a_stack_and_written_as_such():
    array = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
    for pixels in (np.stack([array] * 3, axis=-1), array):
        np.save("a.npy", pixels)
        result = ran("a.npy", "b.npy", "temporal-blur")
        assert (result.size.frames, *result.size[:2]) == (6, 4, 5)
        assert np.array_equal(np.load("b.npy"), cf.apply_kernel(pixels, "temporal-blur"))
    result = ran("a.npy", "c.npy", "identity")
    assert (result.size.frames, *result.size[:3]) == (1, 5, 6, 4)
    np.save("a.npy", array[:1])
    ran("a.npy", "d.npy", "identity", frames="stack")
    assert np.array_equal(np.load("d.npy"), array[:1])


def test_an_array_of_three_axes_with_more_than_four_channels_is_frames_if_that_is_said(quick):
    array = np.random.default_rng(0).integers(0, 256, (3, 5, 6), np.uint8)
    np.save("a.npy", array)
    for command in ("apply a.npy -k blur", "apply a.npy -k blur -n", "shape a.npy -k 3x3"):
        tried = quick(*command.split())
        assert tried.code == 1
        assert "3 frames or an image of 6 channels: apply it with --frames" in tried.err
    each = [cf.apply_kernel(frame, "blur") for frame in array]
    for frames, expected in (("each", each), ("first", each[0])):
        ran("a.npy", "b.npy", "blur", frames=frames)
        assert np.array_equal(np.load("b.npy"), expected)
    explained = quick(*["explain", "a.npy", "-k", "blur", "--frame", "1", "--at", "2,3", "--json"])
    assert f'"value": {each[1][2, 3]}' in explained.out
    kernel = cf.Kernel("six", np.ones((6, 1, 1), int).tolist(), axes=("channel", "row", "column"))
    cf.filter_file("a.npy", "b.npy", kernel, overwrite=True)
    assert np.array_equal(np.load("b.npy"), cf.apply_kernel(array, kernel))


def test_an_array_of_a_few_channels_is_an_image_and_of_four_axes_frames():
    array = np.random.default_rng(0).integers(0, 256, (6, 9, 8, 3), np.uint8)
    for pixels, expected in ((array[0], cf.apply_kernel(array[0], "blur")),
                             (array, [cf.apply_kernel(frame, "blur") for frame in array])):  # fmt: skip
        np.save("a.npy", pixels)
        ran("a.npy", "b.npy", "blur", frames="each")
        assert np.array_equal(np.load("b.npy"), expected)


def test_the_ink_of_cmyk_is_no_alpha_in_a_stack_either():
    pages = [np.random.default_rng(seed).integers(0, 256, (4, 5, 4), np.uint8) for seed in range(3)]
    images = [Image.fromarray(page, mode="CMYK") for page in pages]
    images[0].save("a.tif", save_all=True, append_images=images[1:])
    ran("a.tif", "b.tif", "temporal-blur")
    assert np.array_equal(
        frames_of("b.tif"), cf.apply_kernel(np.stack(pages), "temporal-blur", alpha="plain")
    )


@pytest.mark.parametrize("dry", [False, True])
def test_a_single_image_is_a_stack_of_one_frame_with_a_warning(dry):
    save("a.png", grey())
    result = ran("a.png", "b.png", "temporal-blur", dry=dry)
    assert result.error is None
    assert result.warnings == [
        "holds only one frame: for kernel 'temporal-blur', "
        "the frames before and after it come from the border"
    ]
    if not dry:
        assert np.array_equal(load("b.png"), grey())
    result = ran("a.png", "c.png", "temporal-blur", dry=dry, padding="valid")
    assert "smaller than the kernel's, 3" in str(result.error)
    assert ran("a.png", "d.png", "blur", dry=dry, frames="stack").warnings == []


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize(
    ("frames", "target", "kernel", "options", "reason"),
    [
        (moving(), "b.jpg", "blur", {}, "jpeg cannot hold 5 frames; try --frames first, or tiff"),
        (moving(), "b.bmp", "temporal-blur", {}, "bmp cannot hold 5 frames; try tiff"),
        (UNEVEN, "b.tif", "temporal-blur", {}, "and cannot be stacked: use frames of one size and mode"),
        (UNEVEN, "b.tif", "blur", {"frames": "stack"}, "cannot be stacked: filter each with --frames each"),
        (UNEVEN, "b.png", "blur", {}, "size or mode, which png cannot hold; try tiff, or --frames first"),
        (moving(), "b.tif", "blur", {"max_pixels": 191}, "16 x 12 pixels are more than 191; "),
        (moving(), "b.tif", "temporal-blur", {"max_pixels": 959}, "5 frames of 16 x 12 pixels are more"),
        (moving(), "b.avif", "blur", {"max_pixels": 959}, "5 frames of 16 x 12 pixels are more"),
        (UNEVEN[::-1], "b.tif", "blur", {"max_pixels": 80}, "frame 2 of 2: 9 x 9 pixels are more than 80"),
        ([*UNEVEN, UNEVEN[0][:3]], "b.tif", "blur", {"padding": "valid"},
         "frame 3 of 3: the output is empty: the height, 3"),
    ],
)  # fmt: skip
def test_what_the_headers_forbid_is_refused_before_anything_is_computed(
    monkeypatch, tmp_path, frames, target, kernel, options, reason, dry
):
    animate("a.tif", frames)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("convfilter.batch.job.filter_image", None)
    result = ran("a.tif", target, kernel, dry=dry, **options)
    assert result.status == "failed"
    assert reason in str(result.error)
    assert sorted(tmp_path.iterdir()) == before


def test_frames_that_only_decoding_tells_apart_are_no_stack(monkeypatch):
    animate("a.tif", UNEVEN)
    monkeypatch.setattr("convfilter.batch.job._predict", lambda sizes, *_: (sizes[0], []))
    result = ran("a.tif", "new/b.tif", "temporal-blur")
    assert str(result.error).startswith("frame 2 of 2: it differs from the first in size or mode")
    assert not os.path.exists("new")


def test_an_image_that_cannot_be_filtered_leaves_no_empty_folder(monkeypatch):
    save("a.png", grey())
    monkeypatch.setattr("convfilter.batch.job.filter_image", None)
    assert ran("a.png", "new/b.png", "blur").status == "failed"
    assert not os.path.exists("new")


def test_the_total_is_no_limit_for_frames_that_are_filtered_each():
    animate("a.tif", moving())
    assert ran("a.tif", "b.tif", "blur", max_pixels=192).status == "done"
    assert ran("a.tif", "c.tif", "temporal-blur", max_pixels=960).status == "done"
    animate("a.tif", UNEVEN)
    assert ran("a.tif", "b.png", "blur", frames="first").status == "done"
