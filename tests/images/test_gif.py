"""Animated GIFs: exact while the colours that change are few enough."""

import io

import numpy as np
import pytest
from PIL import Image

from convfilter.images.animation import write_frames
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.reading import opened_frames
from convfilter.options import EncodeOptions


def written(frames, background="white"):
    stream = io.BytesIO()
    pictures = [
        Picture(np.array(frame), "RGBA" if frame.shape[2] == 4 else "RGB", "png", Metadata(duration=40))
        for frame in frames
    ]
    warnings = write_frames(stream, pictures, len(pictures), "gif", EncodeOptions(background=background))
    with opened_frames(stream, max_pixels=None) as opened:
        return [opened.read(number).pixels for number in range(opened.count)], warnings


def colours(count, start=0):
    """A picture of so many colours."""
    numbers = np.arange(start, start + count)
    return np.stack([numbers % 256, numbers // 256 * 40, numbers * 7 % 256], axis=-1).astype(np.uint8)[None]


@pytest.mark.parametrize("count", [1, 2, 255, 256])
def test_frames_of_up_to_256_colours_are_exact_each_with_its_own(count):
    frames = [colours(256, start)[:, :count].repeat(3, axis=0) for start in (0, 100, 500, 900)]
    back, warnings = written(frames)
    assert warnings == []
    assert np.array_equal(back, frames)


def test_a_frame_that_shows_more_colours_is_exact_if_those_that_change_are_few():
    first = np.concatenate([colours(200), colours(200, 300)])
    first[1] = first[0]
    second = first.copy()
    second[1] = colours(200, 300)[0]
    third = second.copy()
    third[0, :50] = colours(50, 700)[0]
    assert len(np.unique(third.reshape(-1, 3), axis=0)) > 256
    back, warnings = written([first, second, third])
    assert warnings == []
    assert np.array_equal(back, [first, second, third])


def test_a_frame_of_256_colours_is_exact_though_a_pixel_of_it_stands_still():
    every = colours(256)[0]
    first = np.stack([np.broadcast_to(every[:1], every.shape), every])
    second = np.stack([every, np.roll(every, 1, axis=0)])
    assert np.array_equal(first[0, 0], second[0, 0])
    back, warnings = written([first, second])
    assert warnings == []
    assert np.array_equal(back, [first, second])


def test_one_colour_too_many_is_reduced_if_one_is_needed_for_what_stands_still():
    first = np.concatenate([colours(2, 900).repeat(128, axis=1), colours(256)])
    second = np.concatenate([first[:1], colours(256, 256)])
    back, warnings = written([first, second])
    assert warnings == ["gif holds 256 colours: reduced to so many"]
    assert np.array_equal(back[1][0], back[0][0])
    assert np.abs(back[1].astype(int) - second).mean() < 2


def test_more_colours_are_reduced_with_a_warning_and_what_stands_still_does_not_flicker():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (40, 40, 3), np.uint8)
    second = first.copy()
    second[:10] = rng.integers(0, 256, (10, 40, 3), np.uint8)
    back, warnings = written([first, second, second])
    assert warnings == ["gif holds 256 colours: reduced to so many"]
    assert np.abs(back[0].astype(int) - first).mean() < 25
    assert np.array_equal(back[0][10:], back[1][10:])
    assert np.array_equal(back[1], back[2])


def test_a_frame_of_few_colours_is_exact_after_one_that_was_reduced():
    first = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    second = np.zeros_like(first)
    second[0] = first[0]
    back, _ = written([first, second])
    assert not np.array_equal(back[0][0], first[0])
    assert np.array_equal(back[1], second)


def test_what_was_cleared_is_drawn_again_though_it_stands_still():
    first = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    first[..., 3] = 255
    second = first.copy()
    second[:10] = 0
    back, _ = written([first, second])
    assert np.array_equal(back[1][..., 3], second[..., 3])
    assert np.abs(back[1][10:].astype(int) - second[10:]).mean() < 25


def test_pixels_become_transparent_and_opaque_again():
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(8):
        frame = rng.integers(0, 3, (6, 7, 4), np.uint8) * 100
        frame[..., 3] = rng.integers(0, 2, (6, 7)) * 255
        frame[frame[..., 3] == 0] = (9, 9, 9, 0)
        frames.append(frame)
    frames[4] = frames[3].copy()
    frames[5][..., 3] = 0
    frames[5][...] = (9, 9, 9, 0)
    back, warnings = written(frames)
    assert warnings == []
    assert np.array_equal(back, frames)


def test_an_opaque_first_frame_can_be_followed_by_transparent_ones():
    opaque = np.dstack([colours(20).repeat(3, axis=0), np.full((3, 20), 255, np.uint8)])
    holed = opaque.copy()
    holed[1, 4:9] = 0
    for frames in ([opaque, holed, opaque], [opaque, opaque, holed, holed]):
        back, warnings = written(frames)
        assert warnings == []
        assert np.array_equal([pixels[..., 3] for pixels in back], [frame[..., 3] for frame in frames])
        for pixels, frame in zip(back, frames, strict=True):
            assert np.array_equal(pixels[frame[..., 3] > 0], frame[frame[..., 3] > 0])


def test_what_is_partly_transparent_is_laid_on_the_background_and_the_rest_stays_clear():
    frame = np.array([[[0, 0, 0, 0], [100, 100, 100, 128], [9, 9, 9, 255]]], np.uint8)
    back, warnings = written([frame, frame], "#ffffff")
    assert warnings == ["gif cannot hold partial transparency: laid on #ffffff"]
    for pixels in back:
        assert pixels.tolist() == [[[0, 0, 0, 0], [177, 177, 177, 255], [9, 9, 9, 255]]]


def test_greys_in_order_are_not_taken_for_a_grey_picture_by_the_frames_that_follow():
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    later = ramp.copy()
    later[0, :5] = (200, 0, 0)
    back, _ = written([ramp, later, ramp])
    assert np.array_equal(back, [ramp, later, ramp])


def test_a_gif_of_each_disposal_comes_back_as_it_is_shown(tmp_path):
    rng = np.random.default_rng(2)
    for disposal in (0, 1, 2, 3):
        images = []
        for number in range(4):
            pixels = np.zeros((10, 10, 4), np.uint8)
            pixels[number : number + 4, 3:8, :3] = rng.integers(0, 200, 3)
            pixels[number : number + 4, 3:8, 3] = 255
            images.append(Image.fromarray(pixels))
        path = tmp_path / f"{disposal}.gif"
        images[0].save(path, save_all=True, append_images=images[1:], disposal=disposal, duration=50)
        with opened_frames(path, max_pixels=None) as opened:
            shown = [opened.read(number).pixels for number in range(opened.count)]
        back, warnings = written(shown)
        assert warnings == []
        assert np.array_equal(back, shown)
