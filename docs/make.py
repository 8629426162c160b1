"""Make the picture that README.md shows: coffee.png and its edges, side by side."""

from pathlib import Path

import numpy as np
from PIL import Image

import convfilter as cf

HERE = Path(__file__).resolve().parent
WIDTH = 720
GAP = 8


def main() -> None:
    """Write ``coffee-sobel.png`` beside this file."""
    with Image.open(HERE.parent / "sample_images" / "coffee.png") as image:
        pixels = np.asarray(image)
    edges = cf.apply_kernel(pixels, "sobel")
    width = (WIDTH - GAP) // 2
    height = round(width * pixels.shape[0] / pixels.shape[1])
    sheet = Image.new("RGB", (WIDTH, height), "white")
    for left, half in ((0, pixels), (WIDTH - width, edges)):
        sheet.paste(Image.fromarray(half).resize((width, height), Image.Resampling.LANCZOS), (left, 0))
    sheet.save(HERE / "coffee-sobel.png", optimize=True)


if __name__ == "__main__":
    main()
