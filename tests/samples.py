"""Small pictures with known samples, and how tests write and read picture files."""

from pathlib import Path

import numpy as np
from PIL import Image

SAMPLE_IMAGES = Path(__file__).resolve().parent.parent / "sample_images"


def grey(height=8, width=10, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def colour(height=8, width=10, channels=3, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def save(path, pixels, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def load(path):
    with Image.open(path) as image:
        return np.asarray(image)


def tree(folder):
    """Every file below a folder, with its bytes."""
    folder = Path(folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
