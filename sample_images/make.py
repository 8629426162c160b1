"""Make the sample pictures of this folder.

Without options the script draws the generated pictures; each comes out of formulas and fixed
seeds, so that running it again gives the same pixels. With ``--from-wheel`` it also takes the
photographs out of a scikit-image 0.26.0 wheel. It needs nothing but NumPy and Pillow::

    python sample_images/make.py
    pip download --no-deps scikit-image==0.26.0
    python sample_images/make.py --from-wheel scikit_image-0.26.0-*.whl
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

HERE = Path(__file__).resolve().parent

# The photographs: where they lie in the wheel, and what their bytes must hash to.
PHOTOGRAPHS = {
    "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
}


# Helpers: coordinates, antialiasing, noise.


def grid(width: int, height: int, fine: int = 1) -> tuple[Floats, Floats]:
    """Return the coordinates of the pixel centres, or of the centres of their parts.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels.
    fine : int
        Into how many parts each pixel is cut along each axis.

    Returns
    -------
    tuple of ndarray
        x and y, each of shape ``(height * fine, width * fine)``, in pixels from the top left corner.
    """
    x = (np.arange(width * fine) + 0.5) / fine
    y = (np.arange(height * fine) + 0.5) / fine
    xs, ys = np.meshgrid(x, y)
    return xs, ys


def shrink(picture: NDArray[np.generic], fine: int) -> Floats:
    """Average blocks of ``fine`` by ``fine`` samples, the way back from a fine `grid`.

    Parameters
    ----------
    picture : ndarray
        Samples of shape ``(height * fine, width * fine, ...)``.
    fine : int
        Side of a block.

    Returns
    -------
    ndarray
        Means of shape ``(height, width, ...)``.
    """
    height, width = picture.shape[0] // fine, picture.shape[1] // fine
    blocks = picture.astype(np.float64).reshape(height, fine, width, fine, *picture.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)))


def to_bytes(values: Floats) -> NDArray[np.uint8]:
    """Round to whole numbers within 0..255.

    Parameters
    ----------
    values : ndarray
        Samples on the scale of 0..255.

    Returns
    -------
    ndarray of uint8
        The rounded and clipped samples.
    """
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def disc(x: Floats, y: Floats, centre: tuple[float, float], radius: float) -> Mask:
    """Tell which points lie within a circle.

    Parameters
    ----------
    x, y : ndarray
        The points.
    centre : tuple of float
        Centre of the circle.
    radius : float
        Radius of the circle.

    Returns
    -------
    ndarray of bool
        True inside.
    """
    return np.asarray((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2)


def polygon(x: Floats, y: Floats, corners: list[tuple[float, float]]) -> Mask:
    """Tell which points lie within a polygon, by the even-odd rule.

    Parameters
    ----------
    x, y : ndarray
        The points.
    corners : list of tuple of float
        The corners in order.

    Returns
    -------
    ndarray of bool
        True inside.
    """
    inside = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y0 != y1:
            inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside


def stroke(x: Floats, y: Floats, start: tuple[float, float], end: tuple[float, float], width: float) -> Mask:
    """Tell which points lie within a straight stroke with round ends.

    Parameters
    ----------
    x, y : ndarray
        The points.
    start, end : tuple of float
        The ends of the stroke.
    width : float
        How wide the stroke is.

    Returns
    -------
    ndarray of bool
        True inside.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.asarray(np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) < width / 2)


def value_noise(rng: np.random.Generator, x: Floats, y: Floats, cell: float) -> Floats:
    """Return smooth noise: random numbers on a lattice, with smooth passages between them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    x, y : ndarray
        The points, not negative.
    cell : float
        Distance of the lattice's lines.

    Returns
    -------
    ndarray
        Noise within -1..1.
    """
    column, row = (x / cell).astype(int), (y / cell).astype(int)
    lattice = rng.uniform(-1, 1, (row.max() + 2, column.max() + 2))
    right, down = x / cell - column, y / cell - row
    right, down = right**2 * (3 - 2 * right), down**2 * (3 - 2 * down)
    upper = lattice[row, column] * (1 - right) + lattice[row, column + 1] * right
    lower = lattice[row + 1, column] * (1 - right) + lattice[row + 1, column + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def fractal_noise(
    rng: np.random.Generator, x: Floats, y: Floats, cell: float, octaves: int, fall: float = 0.5
) -> Floats:
    """Return noise with detail at several scales, each half as wide as the one before.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    x, y : ndarray
        The points, not negative.
    cell : float
        Width of the coarsest detail.
    octaves : int
        How many scales there are.
    fall : float
        How strong each scale is, compared with the one before.

    Returns
    -------
    ndarray
        Noise around zero.
    """
    total = np.zeros(x.shape)
    for octave in range(octaves):
        total += fall**octave * value_noise(rng, x, y, cell / 2**octave)
    return total


# badge.png: colour next to nothing.


def paint(canvas: Floats, where: Mask, colour: Colour, opacity: float = 1.0) -> None:
    """Lay a colour over part of a canvas of premultiplied RGBA, in place.

    Parameters
    ----------
    canvas : ndarray
        The canvas, of shape ``(height, width, 4)``, everything within 0..1.
    where : ndarray of bool
        Which samples to paint.
    colour : tuple of int
        Red, green and blue within 0..255.
    opacity : float
        How much of what is below gets hidden.
    """
    coat = np.array([*(part / 255 for part in colour), 1.0]) * opacity
    canvas[where] = canvas[where] * (1 - opacity) + coat


def star(centre: tuple[float, float], outer: float, inner: float, points: int) -> list[tuple[float, float]]:
    """Return the corners of a star standing on two of its points.

    Parameters
    ----------
    centre : tuple of float
        Centre of the star.
    outer, inner : float
        How far the points and the notches lie from the centre.
    points : int
        How many points it has.

    Returns
    -------
    list of tuple of float
        The corners in order.
    """
    angles = np.pi * np.arange(2 * points) / points
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    xs, ys = centre[0] + radii * np.sin(angles), centre[1] - radii * np.cos(angles)
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def badge() -> Image.Image:
    """Draw a badge of saturated colours with soft edges on transparent black.

    Returns
    -------
    PIL.Image.Image
        256 by 256 pixels, mode RGBA, with straight alpha.
    """
    fine = 8
    x, y = grid(256, 256, fine)
    canvas = np.zeros((*x.shape, 4))
    centre = (128.0, 106.0)
    for side, colour in ((-1, (226, 0, 116)), (1, (255, 0, 150))):
        tail = [(12, 140), (76, 128), (92, 242), (60, 222), (36, 250)]
        paint(canvas, polygon(x, y, [(128 + side * (a - 12), b) for a, b in tail]), colour)
    angle = np.arctan2(y - centre[1], x - centre[0])
    away = np.hypot(x - centre[0], y - centre[1])
    paint(canvas, away < 94 + 5 * np.cos(20 * angle), (255, 190, 0))
    canvas[(away > 73) & (away < 80)] = 0
    paint(canvas, away < 73, (0, 84, 230))
    paint(canvas, polygon(x, y, star(centre, 62, 27, 5)), (255, 236, 40))
    canvas[away < 15] = 0
    paint(canvas, (away < 73) & ~disc(x, y, (150, 190), 116), (255, 255, 255), 0.3)
    canvas[disc(x, y, (208, 201), 43)] = 0
    paint(canvas, disc(x, y, (208, 201), 37), (0, 200, 70), 0.6)
    paint(canvas, stroke(x, y, (190, 202), (203, 215), 8), (255, 255, 255))
    paint(canvas, stroke(x, y, (203, 215), (227, 189), 8), (255, 255, 255))
    soft = shrink(canvas, fine)
    alpha = to_bytes(255 * soft[..., 3:])
    straight = np.divide(soft[..., :3], soft[..., 3:], out=np.zeros_like(soft[..., :3]), where=alpha > 0)
    return Image.fromarray(np.concatenate([to_bytes(255 * straight), alpha], axis=2))


# moon16.png: sixteen bits.


def craters(rng: np.random.Generator, x: Floats, y: Floats, z: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the height and the brightness that craters give to a sphere of radius 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides where the craters lie and how wide they are.
    x, y, z : ndarray
        Points of the sphere.
    count : int
        How many craters there are.

    Returns
    -------
    tuple of ndarray
        The height, and what to add to the brightness for fresh material.
    """
    height, bright = np.zeros(x.shape), np.zeros(x.shape)
    for _ in range(count):
        centre = rng.normal(size=3)
        centre[2] = abs(centre[2])
        centre /= np.hypot(np.hypot(centre[0], centre[1]), centre[2])
        radius = 0.02 * rng.uniform(0.012, 1) ** -0.55
        away = np.arccos(np.clip(x * centre[0] + y * centre[1] + z * centre[2], -1, 1)) / radius
        bowl = np.where(away < 1, away**2 - 1, 0)
        rim = np.exp(-(((away - 1) / 0.22) ** 2))
        height += radius * (0.24 * bowl + 0.14 * rim)
        bright += 0.05 * rng.uniform(-0.5, 1) * np.exp(-((away / 1.6) ** 4))
    return height, bright


def moon_surface(x: Floats, y: Floats, pixel: float) -> Floats:
    """Return the brightness of a cratered sphere lit from the upper left.

    Parameters
    ----------
    x, y : ndarray
        Points of the picture; the sphere has radius 1 around (0, 0).
    pixel : float
        Distance of neighbouring points.

    Returns
    -------
    ndarray
        Brightness, about 0..1; outside of the sphere it means nothing.
    """
    rng = np.random.default_rng(1969)
    away = np.maximum(np.hypot(x, y), 1.0)
    x, y = x / away, y / away
    z = np.sqrt(np.maximum(0, 1 - x**2 - y**2))
    height, bright = craters(rng, x, y, z, 260)
    height += 0.010 * fractal_noise(rng, x + 1, y + 1, 0.12, 4, 0.55)
    seas = fractal_noise(rng, x + 1, y + 1, 0.75, 5)
    albedo = 0.72 + bright - 0.34 / (1 + np.exp(-9 * (seas - 0.12)))
    slope_y, slope_x = np.gradient(height, pixel)
    normal = np.stack([x - slope_x, y - slope_y, z])
    normal /= np.sqrt((normal**2).sum(axis=0))
    sun = np.array([-0.62, -0.42, 0.66])
    light = np.tensordot(sun / np.sqrt((sun**2).sum()), normal, axes=1)
    return np.asarray(albedo * (np.maximum(light, 0) + 0.012 * (1 + z)))


def moon() -> Image.Image:
    """Draw a cratered moon that uses the whole range of sixteen bits.

    The night side and the glow of the sky lie below level 1024, where an eight-bit copy
    has four levels left.

    Returns
    -------
    PIL.Image.Image
        320 by 240 pixels, mode I;16.
    """
    width, height, radius, fine = 320, 240, 104.0, 3
    x, y = grid(width, height, fine)
    x, y = (x - width / 2) / radius, (y - height / 2) / radius
    away = np.hypot(x, y)
    glow = 0.008 * np.exp(-1.6 * np.maximum(away - 1, 0))
    lit = shrink(np.where(away < 1, moon_surface(x, y, 1 / (fine * radius)), glow), fine)
    rng = np.random.default_rng(11)
    stars = rng.random(lit.shape) < 0.003
    sky = shrink(away, fine) > 1.04
    lit[stars & sky] += rng.uniform(0.02, 0.9, lit.shape)[stars & sky] ** 3
    low, high = lit.min(), np.quantile(lit, 0.9998)
    levels = np.rint(65535 * np.clip((lit - low) / (high - low), 0, 1))
    return Image.fromarray(levels.astype(np.uint16))


# text.png: letters and hard edges.


def paste(chart: NDArray[np.uint8], left: int, top: int, patch: NDArray[np.uint8]) -> None:
    """Put a patch into the chart, in place.

    Parameters
    ----------
    chart : ndarray of uint8
        The chart.
    left, top : int
        Where the patch's upper left corner goes.
    patch : ndarray of uint8
        The patch.
    """
    chart[top : top + patch.shape[0], left : left + patch.shape[1]] = patch


def antialiased(size: int, dark: Callable[[Floats, Floats], Mask]) -> NDArray[np.uint8]:
    """Draw a square patch, black on white with soft edges.

    Parameters
    ----------
    size : int
        Side of the patch.
    dark : callable
        Given coordinates from the centre, tells which points are black.

    Returns
    -------
    ndarray of uint8
        The patch.
    """
    x, y = grid(size, size, 8)
    return to_bytes(255 * (1 - shrink(dark(x - size / 2, y - size / 2), 8)))


def rulers(chart: NDArray[np.uint8]) -> None:
    """Draw a tick every 10 pixels along the four sides, longer ones every 50 and 100, in place.

    Parameters
    ----------
    chart : ndarray of uint8
        The chart.
    """
    for side in (chart, chart[::-1], chart.T, chart.T[::-1]):
        side[0] = 0
        for at in range(0, side.shape[1], 10):
            side[: 12 if at % 100 == 0 else 9 if at % 50 == 0 else 5, at] = 0


def line_pairs(chart: NDArray[np.uint8], left: int, top: int) -> None:
    """Draw stripes 1, 2, 3, 4 and 6 pixels wide, upright and lying, in place.

    Parameters
    ----------
    chart : ndarray of uint8
        The chart.
    left, top : int
        The upper left corner of the first patch.
    """
    for width in (1, 2, 3, 4, 6):
        row = np.where(np.arange(28) // width % 2 == 0, 0, 255).astype(np.uint8)
        upright = np.tile(row, (28, 1))
        paste(chart, left, top, upright)
        paste(chart, left, top + 34, upright.T)
        left += 34


def letters(chart: Image.Image, right: int) -> None:
    """Write an eye chart down the right half, and labels under the patches, in place.

    Parameters
    ----------
    chart : PIL.Image.Image
        The chart.
    right : int
        The middle of the eye chart.
    """
    draw = ImageDraw.Draw(chart)
    lines = ("E", "F P", "T O Z", "L P E D", "P E C F D", "E D F C Z P", "F E L O P Z D", "D E F P O T E C")
    top = 16
    for text, size in zip(lines, (64, 46, 34, 26, 20, 16, 13, 11), strict=True):
        draw.text((right, top), text, fill=0, font=ImageFont.load_default(size), anchor="mt")
        top += round(0.72 * size) + 9
    font = ImageFont.load_default(12)
    for at, text in (((104, 199), "Siemens star"), ((60, 306), "slanted edge"), ((152, 306), "checks, 4 px")):
        draw.text(at, text, fill=0, font=font, anchor="mt")


def text_chart() -> Image.Image:
    """Draw a test chart: letters, a star, a slanted edge, stripes, checks, grey steps and points.

    Returns
    -------
    PIL.Image.Image
        480 by 360 pixels, mode L.
    """
    chart = np.full((360, 480), 255, dtype=np.uint8)
    rulers(chart)

    def spokes(x: Floats, y: Floats) -> Mask:
        return np.asarray((np.sin(36 * np.arctan2(y, x)) > 0) & (np.hypot(x, y) < 85))

    def slanted(x: Floats, y: Floats) -> Mask:
        return np.asarray(x + np.tan(np.radians(5)) * y < 0)

    paste(chart, 18, 22, antialiased(172, spokes))
    paste(chart, 22, 220, antialiased(80, slanted))
    paste(chart, 112, 220, ((np.indices((80, 80)) // 4).sum(axis=0) % 2 * 255).astype(np.uint8))
    line_pairs(chart, 214, 256)
    steps = np.repeat(np.linspace(0, 255, 12).round().astype(np.uint8), 24)
    chart[325:345, 91:381] = 0
    paste(chart, 92, 326, np.tile(steps, (18, 1)))
    # Points: one white on black, one black on white, to see what a kernel does to a single sample.
    chart[256:318, 400:462] = 0
    chart[287, 431] = 255
    chart[335, 56] = 0
    picture = Image.fromarray(chart)
    letters(picture, 336)
    return picture


# palette.gif: few colours.


def ramp(start: Colour, end: Colour, count: int) -> list[Colour]:
    """Return colours in even steps from one to another.

    Parameters
    ----------
    start, end : tuple of int
        The first and the last colour.
    count : int
        How many colours.

    Returns
    -------
    list of tuple of int
        The colours.
    """
    steps = np.linspace(start, end, count).round().astype(int)
    return [(int(red), int(green), int(blue)) for red, green, blue in steps]


def dithered(values: Floats, first: int, count: int) -> NDArray[np.uint8]:
    """Turn shades into numbers of palette entries, with a 4 by 4 ordered dither.

    Parameters
    ----------
    values : ndarray
        Shades within 0..1; what lies outside counts as 0 or 1.
    first, count : int
        The palette entries of the ramp to choose from.

    Returns
    -------
    ndarray of uint8
        Numbers of palette entries.
    """
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    rows, columns = np.indices(values.shape) % 4
    steps = np.floor(np.clip(values, 0, 1) * (count - 1) + bayer[rows, columns] * 0.999)
    return np.asarray(first + steps, dtype=np.uint8)


def tree(index: NDArray[np.uint8], foot: tuple[int, int], tall: int, entries: tuple[int, int]) -> None:
    """Draw a fir, in place.

    Parameters
    ----------
    index : ndarray of uint8
        Numbers of palette entries.
    foot : tuple of int
        Where the trunk ends: x and y.
    tall : int
        How many pixels the fir is high.
    entries : tuple of int
        Palette entries of the lit and of the dark side.
    """
    for row in range(tall):
        half = 0 if tall - row < 3 else round(0.3 * row * (0.5 + 0.125 * (row % 5)))
        y = foot[1] - tall + row
        index[y, max(0, foot[0] - half) : foot[0] + 1] = entries[0]
        index[y, foot[0] : foot[0] + max(half, 0) + 1] = entries[1]


def evening_sky(rng: np.random.Generator, x: Floats, y: Floats) -> NDArray[np.uint8]:
    """Draw the sky with a few stars and a low sun.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides where the stars stand.
    x, y : ndarray
        Coordinates.

    Returns
    -------
    ndarray of uint8
        Numbers of palette entries.
    """
    index = np.where(y < 30, dithered(y / 30, 0, 12), dithered((y - 30) / 16, 12, 8))
    for column, row in rng.integers((0, 0), (x.shape[1], 11), (20, 2)):
        index[row, column] = 46 + (row < 6)
    away = np.hypot(x - 62, y - 31)
    return np.where(away < 8.6, dithered((8.6 - away) / 6, 20, 3), index).astype(np.uint8)


def mountains(rng: np.random.Generator, index: NDArray[np.uint8], x: Floats, y: Floats) -> None:
    """Draw a far range and, in front of it, two snow-capped mountains, in place.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides how the ridges run.
    index : ndarray of uint8
        Numbers of palette entries.
    x, y : ndarray
        Coordinates.
    """
    flat = np.zeros_like(x)
    far = 36 + 5 * fractal_noise(rng, x, flat, 26, 4)
    index[y > far] = dithered((y - far) / 14, 23, 6)[y > far]
    for summit, top, steep in ((25, 13, 0.9), (96, 24, 0.75)):
        ridge = top + steep * np.abs(x - summit) + 2.4 * fractal_noise(rng, x, flat, 8, 3)
        crest = summit + 2.5 * fractal_noise(rng, y, flat, 5, 2)
        light = np.where(x > crest, 0.8, 0.15) if summit < 62 else np.where(x < crest, 0.8, 0.15)
        light = light + 0.25 * fractal_noise(rng, x, y, 5, 3)
        rock, snow = y > ridge, (y > ridge) & (y < top + 10 + 3 * value_noise(rng, x, flat, 2))
        index[rock] = dithered(light, 29, 6)[rock]
        index[snow] = dithered(light + 0.1, 35, 4)[snow]


def lake(rng: np.random.Generator, index: NDArray[np.uint8], shore: int) -> None:
    """Mirror what lies above the shore in rippled water below it, in place.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides how the ripples lie.
    index : ndarray of uint8
        Numbers of palette entries.
    shore : int
        The first row of the water.
    """
    for row in range(shore, index.shape[0]):
        depth = row - shore
        index[row] = np.roll(index[max(0, shore - 1 - depth)], rng.integers(-1 - depth // 8, 2 + depth // 8))
        if depth % 3 == 0:
            start = int(rng.integers(0, 90))
            index[row, start : start + int(rng.integers(5, 14))] = 27 - depth // 8
        for _ in range(2):
            start, length = int(rng.normal(62, 2 + depth * 0.25)), int(rng.integers(2, 7))
            index[row, start - length // 2 : start + length // 2] = 46 + rng.integers(2)


def landscape() -> Image.Image:
    """Draw an evening by a lake in big pixels.

    Returns
    -------
    PIL.Image.Image
        200 by 150 pixels, mode P, with a palette of 48 colours.
    """
    palette = [
        *ramp((38, 28, 88), (242, 120, 108), 12),  # 0: upper sky
        *ramp((244, 132, 104), (255, 222, 140), 8),  # 12: lower sky
        *ramp((255, 236, 170), (255, 252, 228), 3),  # 20: sun
        *ramp((138, 88, 140), (196, 118, 138), 6),  # 23: far mountains
        *ramp((46, 34, 84), (104, 70, 124), 6),  # 29: near mountains
        *ramp((150, 136, 188), (244, 226, 230), 4),  # 35: snow
        *ramp((12, 24, 40), (58, 116, 76), 7),  # 39: bank and trees
        *ramp((250, 206, 160), (255, 240, 206), 2),  # 46: stars and glitter
    ]
    rng = np.random.default_rng(48)
    x, y = grid(100, 75)
    index = evening_sky(rng, x, y)
    mountains(rng, index, x, y)
    woods = 44.6 - 1.6 * np.abs(value_noise(rng, x, np.zeros_like(x), 2))
    index[(y > woods) & (np.abs(x - 62) > 7)] = 40
    lake(rng, index, 46)
    bank = 72 - 9 * ((x - 52) / 50) ** 2 + 1.2 * value_noise(rng, x, np.zeros_like(x), 3)
    index[y > bank] = dithered(0.75 - (y - bank) / 14, 39, 7)[y > bank]
    for column, tall in ((4, 21), (88, 17), (13, 30), (97, 27), (22, 16), (79, 11)):
        tree(index, (column, int(bank[0, column]) + 2), tall, (39, 41) if column < 62 else (41, 39))
    picture = Image.fromarray(index.repeat(2, axis=0).repeat(2, axis=1)).convert("P")
    picture.putpalette([part for colour in palette for part in colour])
    return picture


# pendulum.gif: a stack of frames.


def wall(x: Floats, y: Floats) -> Floats:
    """Return the still part of the animation: papered wall, scale and beam.

    Parameters
    ----------
    x, y : ndarray
        Coordinates.

    Returns
    -------
    ndarray
        Samples of shape ``(height, width, 3)`` within 0..255.
    """
    scene = np.empty((*x.shape, 3))
    scene[:] = (222, 214, 190)
    scene[np.mod(x, 16) < 8] = (206, 202, 182)
    away, angle = np.hypot(x - 64, y - 14), np.degrees(np.arctan2(x - 64, y - 14))
    scale = (np.abs(angle) < 41) & (away > 94.2) & (away < 95.6)
    ticks = (np.abs(angle) < 41) & (np.abs(np.mod(angle + 5, 10) - 5) < 0.5) & (away > 88) & (away < 95)
    scene[scale | ticks] = (96, 84, 84)
    scene[(y < 10) & (np.abs(x - 64) < 40)] = (110, 70, 48)
    scene[disc(x, y, (64, 10), 4)] = (60, 60, 68)
    return scene


def swing(angle: float) -> Image.Image:
    """Draw the pendulum at an angle.

    Parameters
    ----------
    angle : float
        In radians from the vertical, to the right.

    Returns
    -------
    PIL.Image.Image
        128 by 112 pixels, mode RGB.
    """
    fine = 4
    x, y = grid(128, 112, fine)
    scene = wall(x, y)
    bob = (64 + 72 * np.sin(angle), 14 + 72 * np.cos(angle))
    scene[stroke(x, y, (64, 12), bob, 2)] = (60, 60, 68)
    for size in np.linspace(13, 1, 13):
        shine = (13 - size) / 12
        tone = np.array((150, 84, 16)) * (1 - shine) + np.array((255, 226, 130)) * shine
        scene[disc(x, y, (bob[0] - 4 * shine, bob[1] - 4 * shine), size)] = tone
    return Image.fromarray(to_bytes(shrink(scene, fine)))


def pendulum() -> tuple[list[Image.Image], list[int]]:
    """Draw one swing there and back in equal steps of the angle.

    The frames stand for different times, since a pendulum is slow where it turns round.

    Returns
    -------
    tuple of list
        16 frames of mode P with one common palette, and how many milliseconds each stands.
    """
    places = np.linspace(-1, 1, 9)
    edges = np.arcsin(np.clip(np.linspace(-1.125, 1.125, 10), -1, 1))
    times = [round(float(span), -1) for span in np.diff(edges) / np.pi * 640]
    times[0], times[-1] = 2 * times[0], 2 * times[-1]
    order = [*range(9), *range(7, 0, -1)]
    frames = [swing(0.6 * float(places[at])) for at in order]
    common = frames[2].quantize(64, method=Image.Quantize.MEDIANCUT)
    indexed = [frame.quantize(palette=common, dither=Image.Dither.NONE) for frame in frames]
    return indexed, [int(times[at]) for at in order]


# Files.


def write_generated(folder: Path) -> None:
    """Draw and write the generated pictures.

    Parameters
    ----------
    folder : pathlib.Path
        Where they go.
    """
    badge().save(folder / "badge.png", optimize=True)
    moon().save(folder / "moon16.png", optimize=True)
    text_chart().save(folder / "text.png", optimize=True)
    landscape().save(folder / "palette.gif")
    frames, times = pendulum()
    frames[0].save(folder / "pendulum.gif", save_all=True, append_images=frames[1:], duration=times, loop=0)


def write_photographs(wheel: Path, folder: Path) -> None:
    """Take the photographs out of a scikit-image wheel.

    Two are copied byte for byte; the cat is encoded as a JPEG.

    Parameters
    ----------
    wheel : pathlib.Path
        The wheel file.
    folder : pathlib.Path
        Where the photographs go.

    Raises
    ------
    SystemExit
        If a photograph is not the one expected.
    """
    with zipfile.ZipFile(wheel) as archive:
        originals = {name: archive.read(f"skimage/data/{name}") for name in PHOTOGRAPHS}
    for name, digest in PHOTOGRAPHS.items():
        if hashlib.sha256(originals[name]).hexdigest() != digest:
            raise SystemExit(f"{wheel}: {name} is another picture than the one in scikit-image 0.26.0")
    for name in ("camera.png", "coffee.png"):
        (folder / name).write_bytes(originals[name])
    with Image.open(io.BytesIO(originals["chelsea.png"])) as cat:
        pixels = Image.fromarray(np.asarray(cat))  # leaves the metadata behind
    pixels.save(folder / "chelsea.jpg", quality=95, subsampling="4:4:4", optimize=True)


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(description="Make the sample pictures.")
    parser.add_argument("--from-wheel", type=Path, metavar="WHEEL", help="also extract the photographs")
    parser.add_argument(
        "--folder", type=Path, default=HERE, help="where to write (default: beside the script)"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write_generated(options.folder)
    if options.from_wheel:
        write_photographs(options.from_wheel, options.folder)


if __name__ == "__main__":
    main()
