"""Make every drawing in README.md and docs/ from the sample images."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageSequence

import convfilter as cf
from convfilter.cli.kernels import GROUPS
from convfilter.drawing import (
    INK,
    PALE,
    below,
    beside,
    boxed,
    diverging,
    framed,
    grid,
    outlined,
    resized,
    text,
)
from convfilter.drawing.plots import kernel_plot
from convfilter.drawing.sheet import Tile, contact_sheet
from convfilter.options import Border

DOCS = Path(__file__).resolve().parent
SAMPLES = DOCS.parent / "sample_images"
TILE = 240
LARGEST = 150_000  # bytes of a true-colour image

# A small image and what is around it; a row of samples and a kernel over it; sizes in drawings of both.
SIDE, AROUND, COUNT, WEIGHTS = 4, 3, 7, 3
CELL, GAP = 22, 34
SAMPLE, ADDED, WEIGHT, BETWEEN = (150, 178, 216), (226, 229, 233), (214, 40, 57), (246, 208, 212)


def main() -> None:
    """Write all drawings beside this file."""
    for heading, names in GROUPS.items():
        save(sheet_name(heading), time_sheet() if heading == "Time" else group_sheet(heading, names))
    save("borders.png", border_plot())
    save("padding.png", padding_plot())
    save("habits.png", habits_plot())
    save("ranges.png", range_sheet())
    save("alpha.png", alpha_sheet())
    save("blending.png", blending_sheet())
    save("lightness.png", lightness_sheet())
    save("missing.png", missing_sheet())
    save("sobel.png", kernel_plot(cf.get_kernel("sobel-x")))
    save("gaussian.png", kernel_plot(cf.get_kernel("gaussian:sigma=2")))
    save("deblur.png", deblur_sheet())
    save("speed.png", speed_bars())
    save_moving()
    chosen = ("blur", "gaussian:sigma=3", "motion:length=15,angle=30", "sharpen", "sobel", "emboss", "kirsch")
    save("gallery.png", gallery(SAMPLES / "coffee.png", chosen))
    run("explain", SAMPLES / "coffee.png", "-k", "sobel-x", "--at", "110,408", "-o", DOCS / "explain.png")
    lenet = [word for name in ("5x5:out=6", "pool2x2", "5x5:out=16", "pool2x2") for word in ("-k", name)]
    run("shape", "32x32", *lenet, "--padding", "valid", "-o", DOCS / "sizes.png")
    numbers = ("--values", "0 1 2; 3 4 5; 6 7 8", "--weights", "0 1; 2 3", "--padding", "valid")
    run("explain", *numbers, "--animate", DOCS / "sliding.gif")
    numbers = ("--values", "1 2 3 4 5", "--weights", "10 20 30", "--padding", "valid")
    run("explain", *numbers, "--upstream", "1 -1 2", "-o", DOCS / "backward.png")


def sheet_name(heading: str) -> str:
    """Return the file name of the sheet of a group of kernels."""
    return f"kernels-{heading.lower().replace(' ', '-')}.png"


def group_sheet(heading: str, names: Sequence[str]) -> np.ndarray:
    """Return an image, or an enlarged part of it, filtered with some kernels."""
    file, area = {
        "Smoothing": ("text.png", (296, 209, 376, 254)),
        "Sharpening": ("coffee.png", (384, 62, 464, 115)),
        "Colour": ("coffee.png", (0, 0, 600, 400)),
    }.get(heading, ("camera.png", (90, 40, 450, 280)))
    image = part(file, area)
    if heading == "Sharpening":  # there is something to sharpen, and deblur to undo
        image = cf.apply_kernel(image, "gaussian")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / file
        Image.fromarray(image).save(source)
        return gallery(source, [name for name in names if name != "identity"])


def gallery(source: Path, names: Sequence[str]) -> np.ndarray:
    """Return the sheet that the program makes, about as wide as a page of GitHub."""
    kernels = [word for name in names for word in ("-k", name)]
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "sheet.png"
        run("gallery", source, *kernels, "--tile", TILE if len(names) < 12 else 190, "-o", sheet)
        return np.asarray(Image.open(sheet))


def part(file: str, area: tuple[int, int, int, int]) -> np.ndarray:
    """Return a part of a sample image, between columns and rows: left, top, right, bottom."""
    with Image.open(SAMPLES / file) as image:
        return np.asarray(image.crop(area))


def border_plot() -> np.ndarray:
    """Return every border around the same image, which is framed; a constant border is half white."""
    cells = [bordered(mode) for mode in get_args(Border)]
    plot = below([beside(cells[:3], GAP), beside(cells[3:], GAP)], GAP)
    return boxed(plot, plot.shape[0] + 2 * GAP, plot.shape[1] + 2 * GAP, centred=True)


def bordered(mode: str) -> np.ndarray:
    """Return a small colourful image with its border, as the engine reads it."""
    rows, columns = np.indices((SIDE, SIDE)) / (SIDE - 1)
    ramp = np.stack([40 + 200 * columns, 60 + 150 * rows, 220 - 160 * columns * rows], axis=-1)
    whole = cf.correlate(ramp, [[1.0]], padding=AROUND, border=mode, fill=127.5)
    side = len(whole) * CELL
    inner = np.array([AROUND, AROUND, AROUND + SIDE, AROUND + SIDE]) * CELL
    drawn = outlined(resized(whole.astype(np.uint8), side, side, "nearest"), inner.tolist())
    title = text("constant=0.5" if mode == "constant" else mode, 17)
    return below([boxed(title, 34, 0), drawn])


def padding_plot() -> np.ndarray:
    """Return a row of samples and below it every place of a kernel: paddings, a stride and a dilation."""
    plots = [drawn_places("valid"), drawn_places("same"), drawn_places("full")]
    plots += [drawn_places("valid", stride=2), drawn_places("valid", dilation=2)]
    meanings = {SAMPLE: "sample", ADDED: "added by the padding", WEIGHT: "weight"}
    meanings[BETWEEN] = "skipped by the dilation"
    legend = [beside([cell_row([colour], CELL), text(name, 15)], 6) for colour, name in meanings.items()]
    plot = below([beside(plots, GAP), beside(legend, GAP)], GAP)
    return boxed(plot, plot.shape[0] + GAP, plot.shape[1] + GAP, centred=True)


def drawn_places(padding: str, stride: int = 1, dilation: int = 1) -> np.ndarray:
    """Return where the weights stand: a line for each output."""
    reach = dilation * (WEIGHTS - 1)
    before = {"valid": 0, "same": reach // 2, "full": reach}[padding]
    options = {"padding": padding, "stride": stride, "dilation": dilation}
    (count,) = cf.output_shape((COUNT,), (WEIGHTS,), **options)
    lines = [[ADDED] * before + [SAMPLE] * COUNT + [ADDED] * before]
    for place in range(count):
        line = [(255, 255, 255)] * len(lines[0])
        start = place * stride
        line[start : start + reach + 1] = [BETWEEN] * (reach + 1)
        line[start : start + reach + 1 : dilation] = [WEIGHT] * WEIGHTS
        lines.append(line)
    side = CELL - 6
    samples, *places = (cell_row(line, side) for line in lines)
    more = [f"{name} {value}" for name, value in (("stride", stride), ("dilation", dilation)) if value > 1]
    titles = [text(", ".join([padding, *more]), 15), text(f"{COUNT} samples, {count} outputs", 13)]
    return below([boxed(below(titles, 4), 0, 150), below([samples, below(places, 3)], 6)], 10)


def cell_row(colours: list[tuple[int, int, int]], side: int) -> np.ndarray:
    """Return cells side by side, with a white line between them."""
    row = np.full((side, side * len(colours), 3), 255, np.uint8)
    for place, colour in enumerate(colours):
        row[1:-1, place * side + 1 : (place + 1) * side - 1] = colour
    return row


def habits_plot() -> np.ndarray:
    """Return how programs use a kernel, and where its anchor lies if its size is even."""
    kernel, even = np.arange(1, 10).reshape(3, 3), np.arange(1, 5).reshape(2, 2)
    side = 38
    tables = (
        (kernel, None, "as written", "most programs"),
        (kernel[::-1, ::-1], None, "rotated by 180 degrees", "mathematical convolution"),
        (kernel[::-1], None, "upside down", "Pillow"),
        (even, 0, "anchor (red) at (K - 1)//2", "convfilter, PyTorch"),
        (even, 1, "anchor (red) at K//2", "OpenCV, scipy, libvips"),
    )
    plots = []
    for weights, anchor, title, whose in tables:
        numbers = np.array([[str(weight) for weight in row] for row in weights], object)
        cells = grid(numbers, diverging(-weights, 12), side)
        if anchor is not None:
            start, end = anchor * side, (anchor + 1) * side
            cells = outlined(cells, (start, start, end, end))
        plots.append(below([text(title, 15), text(whose, 13, PALE), cells], 6))
    plot = beside(plots, 34)
    return boxed(plot, plot.shape[0] + 34, plot.shape[1] + 34, centred=True)


def range_sheet() -> np.ndarray:
    """Return one edge filter under several ranges."""
    with Image.open(SAMPLES / "coffee.png") as image:
        pixels = np.asarray(image.resize((TILE, TILE * 2 // 3), Image.Resampling.LANCZOS))
    names = ("clip", "absolute", "signed", "stretch")
    tiles = [Tile(cf.apply_kernel(pixels, "sobel-x", range=name), f"--range {name}") for name in names]
    return contact_sheet(tiles, columns=4, width=TILE)


def alpha_sheet() -> np.ndarray:
    """Return a transparent image on white: as it is, blurred like any channel, and weighted by alpha."""
    with Image.open(SAMPLES / "badge.png") as image:
        badge = np.asarray(image)
    pictures = {"image": badge}
    for alpha in ("plain", "premultiply"):
        pictures[f"--alpha {alpha}"] = cf.apply_kernel(badge, "gaussian:5", alpha=alpha)
    tiles = []
    for name, pixels in pictures.items():
        seen = Image.new("RGBA", pixels.shape[1::-1], "white")
        seen.alpha_composite(Image.fromarray(pixels))
        tiles.append(Tile(np.asarray(seen.convert("RGB")), name))
    return contact_sheet(tiles, columns=3, width=TILE)


def deblur_sheet() -> np.ndarray:
    """Return an image out of focus, without and with noise, and what sharpens it."""
    camera = part("camera.png", (120, 40, 420, 240))
    blurred = cf.apply_kernel(camera, "disk:3")
    noise = np.random.default_rng(0).normal(0, 2, camera.shape)
    noisy = np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8)
    tiles = [("disk:3", blurred)]
    tiles += [(name, cf.apply_kernel(blurred, name)) for name in ("unsharp:2,amount=3", "deblur:disk(3)")]
    tiles.append(("disk:3 and noise of 2 levels", noisy))
    for name in ("deblur:disk(3),noise=0.01", "deblur:disk(3),noise=0.07"):
        tiles.append((name, cf.apply_kernel(noisy, name)))
    sheet = [Tile(np.repeat(pixels[..., np.newaxis], 3, axis=2), name) for name, pixels in tiles]
    return contact_sheet(sheet, columns=3, width=300)


def blending_sheet() -> np.ndarray:
    """Return an image, a mask, and the image blurred where the mask is bright."""
    with Image.open(SAMPLES / "chelsea.jpg") as image:
        cat = np.asarray(image)
    rows, columns = np.ogrid[: cat.shape[0], : cat.shape[1]]
    distance = np.hypot((rows - 130) / 130, (columns - 215) / 150)
    mask = np.rint(255 * np.clip(4 * distance - 3, 0, 1)).astype(np.uint8)
    made = cf.apply_kernel(cat, "gaussian:sigma=7", mask=mask)
    grey = np.repeat(mask[..., np.newaxis], 3, axis=2)
    tiles = [Tile(cat, "image"), Tile(grey, "mask"), Tile(made, "gaussian:sigma=7")]
    return contact_sheet(tiles, columns=3, width=300)


def lightness_sheet() -> np.ndarray:
    """Return a noisy image, and what sharpens it."""
    cat = part("chelsea.jpg", (110, 85, 210, 150))
    noise = np.random.default_rng(0).normal(0, 8, cat.shape)
    noisy = np.clip(np.rint(cat + noise), 0, 255).astype(np.uint8)
    options = ({}, {"channels": "luma"}, {"channels": "luma", "threshold": 0.1})
    names = ("each channel", "lightness", "lightness, threshold 0.1")
    made = [cf.apply_kernel(noisy, "unsharp:sigma=2,amount=2", **each) for each in options]
    tiles = [Tile(noisy, "noise of 8 levels"), *map(Tile, made, names)]
    return contact_sheet(tiles, columns=2, width=400)


def missing_sheet() -> np.ndarray:
    """Return an image with missing samples, and what a blur and an edge filter make of it."""
    whole = np.maximum(part("camera.png", (140, 60, 440, 260)), 1)
    rng = np.random.default_rng(0)
    holes = np.where(rng.random(whole.shape) < 0.2, 0, whole)
    holes[120:150, 40:110] = 0
    tiles = []
    for image, name, missing, words in (
        (holes, "0 is missing", None, ""),
        (whole, "complete", 0, ", missing 0"),
    ):
        tiles.append((name, image))
        for kernel in ("gaussian:sigma=3", "sobel"):
            tiles.append((kernel + words, cf.apply_kernel(holes, kernel, missing=missing)))
    sheet = [Tile(np.repeat(pixels[..., np.newaxis], 3, axis=2), name) for name, pixels in tiles]
    return contact_sheet(sheet, columns=3, width=300)


def pendulum() -> np.ndarray:
    """Return the frames of the pendulum, (T, H, W, C)."""
    with Image.open(SAMPLES / "pendulum.gif") as image:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


def time_sheet() -> np.ndarray:
    """Return what the kernels over frames make of the pendulum, one frame of each."""
    stack = pendulum()
    tiles = [Tile(stack[4], "one frame")]
    tiles += [Tile(cf.apply_kernel(stack, name)[4], name) for name in GROUPS["Time"]]
    return contact_sheet(tiles, columns=3, width=2 * stack.shape[2])


def save_moving() -> None:
    """Write the moving parts of the pendulum beside the pendulum, as an animation."""
    stack = pendulum()
    with Image.open(SAMPLES / "pendulum.gif") as image:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    frames = []
    for pair in zip(stack, cf.apply_kernel(stack, "temporal-edge"), strict=True):
        large = [frame.repeat(2, axis=0).repeat(2, axis=1) for frame in pair]
        titles = [text(line, 16) for line in ("pendulum.gif", "temporal-edge")]
        columns = [below(parts, 6) for parts in zip(large, titles, strict=True)]
        frames.append(Image.fromarray(framed(beside(columns, 18), 12)))
    frames[0].save(DOCS / "moving.png", save_all=True, append_images=frames[1:], duration=durations, loop=0)


def speed_bars() -> np.ndarray:
    """Return the times that benchmarks/README.md reports as bars, those of each other program being 1."""
    groups = []
    for head, *rows in tables(DOCS.parent / "benchmarks" / "README.md"):
        if head[-1] == "of cv2, 2 threads":
            title, names = "Engine: time / time of OpenCV, two threads", [row[0] for row in rows]
            ratios = [row[-1] for row in rows]
        elif head[1] == "s":
            title, names = (
                f"{head[0]}: time / time of others",
                [name.removeprefix("of ") for name in head[2:]],
            )
            ratios = next(row for row in rows if row[0] == "convfilter")[2:]
        else:
            continue
        bars = [(name, float(ratio)) for name, ratio in zip(names, ratios, strict=True) if ratio]
        groups.append((title, bars))
    left, unit, row = 230, 220, 22
    height = sum(row * (len(bars) + 2) for _, bars in groups)
    image = Image.new("RGB", (left + 2 * unit + 90, height), "white")
    draw = ImageDraw.Draw(image)
    font, y = ImageFont.load_default(14), 4
    for title, bars in groups:
        draw.text((8, y), title, fill=INK, font=font)
        draw.line((left + unit, y + row - 3, left + unit, y + row * (len(bars) + 1) - 3), fill=PALE)
        draw.text((left + unit, y + 8), "1", fill=PALE, font=font, anchor="mm")
        for name, ratio in bars:
            y += row
            draw.text((left - 8, y + 8), name, fill=INK, font=font, anchor="rm")
            length = min(ratio, 2.0) * unit
            colour = (52, 104, 179) if ratio <= 1 else (202, 62, 71)
            draw.rectangle((left, y, left + length, y + 15), fill=colour)
            place = (left + length + 6, y + 8)
            draw.text(place, f"{ratio:.2f}", INK, font, "lm", stroke_width=3, stroke_fill="white")
        y += 2 * row
    return np.asarray(image)


def tables(page: Path) -> Iterator[list[list[str]]]:
    """Yield each table of a page in Markdown: its rows of cells, the head first."""
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines())
        yield [head, *rows]


def save(name: str, pixels: np.ndarray) -> None:
    """Write an image; in few colours if it is large otherwise."""
    image, encoded = Image.fromarray(pixels), io.BytesIO()
    image.save(encoded, "png", optimize=True)
    if encoded.tell() > LARGEST:
        palette = image.quantize(256)
        levels = (255 if level > 247 else level for level in palette.getpalette())
        palette.putpalette(list(levels))  # the page stays white
        image = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    image.save(DOCS / name, optimize=True)


def run(*arguments: object) -> None:
    """Run the program itself."""
    command = [sys.executable, "-m", "convfilter", *map(str, arguments), "--overwrite"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
