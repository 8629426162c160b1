"""Make every drawing in README.md and docs/ from the sample images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from borders import border_plot, padding_plot  # beside this file
from PIL import Image, ImageDraw, ImageFont

import convfilter as cf
from convfilter.cli.kernels import GROUPS
from convfilter.drawing.canvas import INK, PALE, below, beside, boxed, diverging, grid, text
from convfilter.drawing.plots import kernel_plot
from convfilter.drawing.sheet import Tile, contact_sheet

DOCS = Path(__file__).resolve().parent
SAMPLES = DOCS.parent / "sample_images"
TILE = 190


def main() -> None:
    """Write all drawings beside this file."""
    with Image.open(SAMPLES / "coffee.png") as image:
        coffee = np.asarray(image.convert("RGB").resize((TILE, TILE * 2 // 3), Image.Resampling.LANCZOS))
    for heading, names in GROUPS.items():
        save(sheet_name(heading), time_sheet() if heading == "Time" else group_sheet(coffee, names))
    save("borders.png", border_plot())
    save("padding.png", padding_plot())
    save("habits.png", habits_plot())
    save("ranges.png", range_sheet(coffee))
    save("alpha.png", alpha_sheet())
    save("blending.png", blending_sheet())
    save("lightness.png", lightness_sheet())
    save("missing.png", missing_sheet())
    save("sobel.png", kernel_plot(cf.get_kernel("sobel-x")))
    save("gaussian.png", kernel_plot(cf.get_kernel("gaussian:sigma=2")))
    save("deblur.png", deblur_sheet())
    save("speed.png", speed_bars())
    run(
        "apply",
        SAMPLES / "pendulum.gif",
        "-k",
        "temporal-edge",
        "-o",
        DOCS / "moving.png",
        "-q",
        "--format",
        "png",
    )
    chosen = ("blur", "gaussian:sigma=3", "motion:length=15,angle=30", "sharpen", "sobel", "emboss", "kirsch")
    kernels = [word for name in chosen for word in ("-k", name)]
    run(
        "gallery",
        SAMPLES / "coffee.png",
        *kernels,
        "--columns",
        "4",
        "--tile",
        "240",
        "-o",
        DOCS / "gallery.png",
    )
    quantized("gallery.png")
    run("explain", SAMPLES / "coffee.png", "-k", "sobel-x", "--at", "110,408", "-o", DOCS / "explain.png")
    lenet = [word for name in ("5x5:out=6", "pool2x2", "5x5:out=16", "pool2x2") for word in ("-k", name)]
    run("shape", "32x32", *lenet, "--padding", "valid", "-o", DOCS / "sizes.png")
    quantized("sizes.png")
    numbers = ("--values", "0 1 2; 3 4 5; 6 7 8", "--weights", "0 1; 2 3", "--padding", "valid")
    run("explain", *numbers, "--animate", DOCS / "sliding.gif")
    numbers = ("--values", "1 2 3 4 5", "--weights", "10 20 30", "--padding", "valid")
    run("explain", *numbers, "--upstream", "1 -1 2", "-o", DOCS / "backward.png")


def sheet_name(heading: str) -> str:
    """Return the file name of the sheet of a group of kernels."""
    return f"kernels-{heading.lower().replace(' ', '-')}.png"


def group_sheet(pixels: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return an image filtered with some kernels."""
    tiles = []
    for name in names:
        made = cf.apply_kernel(pixels, name)
        made = np.repeat(made[..., np.newaxis], 3, axis=2) if made.ndim == 2 else made
        tiles.append(Tile(made, name))
    return contact_sheet(tiles, columns=5, width=TILE)


def habits_plot() -> np.ndarray:
    """Return how programs use a kernel, and where its anchor lies if its size is even."""
    kernel, even = np.arange(1, 10).reshape(3, 3), np.arange(1, 5).reshape(2, 2)
    first, last = np.eye(4, dtype=bool)[[0, 3]].reshape(2, 2, 2)
    tables = (
        (kernel, None, "as written", "most programs"),
        (kernel[::-1, ::-1], None, "rotated by 180 degrees", "true convolution"),
        (kernel[::-1], None, "upside down", "Pillow"),
        (even, first, "anchor at (K - 1)//2", "convfilter, PyTorch"),
        (even, last, "anchor at K//2", "OpenCV, scipy, libvips"),
    )
    plots = []
    for weights, anchor, title, whose in tables:
        cells = grid(
            [[str(weight) for weight in row] for row in weights], diverging(-weights, 12), 38, anchor
        )
        plots.append(below([text(title, 15), text(whose, 13, PALE), cells], 6))
    plot = beside(plots, 34)
    return boxed(plot, plot.shape[0] + 34, plot.shape[1] + 34, centred=True)


def range_sheet(pixels: np.ndarray) -> np.ndarray:
    """Return one edge filter under several ranges."""
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
    with Image.open(SAMPLES / "camera.png") as image:
        camera = np.asarray(image)[40:240, 120:420]
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
    with Image.open(SAMPLES / "chelsea.jpg") as image:
        cat = np.asarray(image)[70:190, 80:260]
    noise = np.random.default_rng(0).normal(0, 8, cat.shape)
    noisy = np.clip(np.rint(cat + noise), 0, 255).astype(np.uint8)
    options = ({}, {"channels": "luma"}, {"channels": "luma", "threshold": 0.1})
    names = ("each channel", "lightness", "lightness, threshold 0.1")
    made = [cf.apply_kernel(noisy, "unsharp:sigma=2,amount=2", **each) for each in options]
    tiles = [Tile(noisy, "noise of 8 levels"), *map(Tile, made, names)]
    return contact_sheet(tiles, columns=4, width=270)


def missing_sheet() -> np.ndarray:
    """Return an image with missing samples, and what a blur and an edge filter make of it."""
    with Image.open(SAMPLES / "camera.png") as image:
        camera = np.asarray(image)[60:260, 140:440].copy()
    camera[camera == 0] = 1
    rng = np.random.default_rng(0)
    camera[rng.random(camera.shape) < 0.2] = 0
    camera[120:150, 40:110] = 0
    tiles = [("0 is missing", camera)]
    for missing, words in ((None, ""), (0, ", missing 0")):
        for name in ("gaussian:sigma=3", "sobel"):
            tiles.append((name + words, cf.apply_kernel(camera, name, missing=missing)))
    tiles.insert(3, ("", np.full_like(camera, 255)))
    sheet = [Tile(np.repeat(pixels[..., np.newaxis], 3, axis=2), name) for name, pixels in tiles]
    return contact_sheet(sheet, columns=3, width=300)


def time_sheet() -> np.ndarray:
    """Return what the kernels over frames make of the pendulum, one frame of each."""
    with Image.open(SAMPLES / "pendulum.gif") as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
    stack = np.stack(frames)
    tiles = [Tile(stack[4], "one frame")]
    tiles += [Tile(cf.apply_kernel(stack, name)[4], name) for name in GROUPS["Time"]]
    return contact_sheet(tiles, columns=5, width=TILE)


def speed_bars() -> np.ndarray:
    """Return the times that benchmarks/README.md reports as bars , each rival being 1."""
    groups = []
    for line in (DOCS.parent / "benchmarks" / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| kernel |"):
            groups.append(("Of OpenCV's filter2D, two threads", [], len(cells) - 1))
        elif line.startswith(("| 12 MP", "| 100 PNG", "| 20 JPEG")):
            groups.append((f"{cells[0]}, of other programs", cells, 0))
        elif groups and groups[-1][2] and line.startswith("| ") and not cells[0].startswith("---"):
            groups[-1][1].append((cells[0], float(cells[groups[-1][2]])))
        elif groups and line.startswith("| convfilter |"):
            title, head, _ = groups.pop()
            bars = [
                (name.removeprefix("of "), float(cell))
                for name, cell in zip(head[2:], cells[2:], strict=True)
            ]
            groups.append((title, bars, 0))
    left, unit, row = 230, 220, 22
    height = sum(row * (len(bars) + 2) for _, bars, _ in groups)
    image = Image.new("RGB", (left + 2 * unit + 90, height), "white")
    draw = ImageDraw.Draw(image)
    font, y = ImageFont.load_default(14), 4
    for title, bars, _ in groups:
        draw.text((8, y), title, fill=INK, font=font)
        for name, ratio in bars:
            y += row
            draw.text((left - 8, y + 8), name, fill=INK, font=font, anchor="rm")
            length = min(ratio, 2.0) * unit
            colour = (52, 104, 179) if ratio <= 1 else (202, 62, 71)
            draw.rectangle((left, y, left + length, y + 15), fill=colour)
            draw.text((left + length + 6, y + 8), f"{ratio:.2f}", fill=INK, font=font, anchor="lm")
        draw.line((left + unit, y - row * (len(bars) - 1) - 3, left + unit, y + 19), fill=PALE)
        y += 2 * row
    return np.asarray(image)


def save(name: str, pixels: np.ndarray) -> None:
    """Write an image in few colours, which keeps it small."""
    Image.fromarray(pixels).quantize(200).save(DOCS / name, optimize=True)


def quantized(name: str) -> None:
    """Write an image again in few colours."""
    with Image.open(DOCS / name) as image:
        pixels = np.asarray(image.convert("RGB"))
    save(name, pixels)


def run(*arguments: object) -> None:
    """Run the program itself."""
    command = [sys.executable, "-m", "convfilter", *map(str, arguments), "--overwrite"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
