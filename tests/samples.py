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


def moving(count=5, height=12, width=16, channels=3):
    """Frames of few colours: a patch that moves over a still ground, standing still once."""
    ground = colour(height, width, channels) // 86 * 86
    frames = []
    for number in range(count):
        frame = ground.copy()
        frame[2:5, 2 * number : 2 * number + 4] = 255 - 9 * number
        frames.append(frame)
    if count > 2:
        frames[2] = frames[1].copy()
    return frames


def animate(path, frames, durations=None, **options):
    """Write frames as Pillow does, which keeps them apart only if they differ."""
    first, *others = map(Image.fromarray, frames)
    timing = {} if durations is None else {"duration": durations}
    first.save(path, save_all=True, append_images=others, **timing, **options)
    return Path(path)


def frames_of(path):
    """Every frame of a file as Pillow composes it."""
    frames = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            frames.append(np.asarray(image.convert("RGBA") if image.mode in ("P", "RGB") else image))
    return frames


def noise(mode, height=23, width=31):
    """Noise of a kind of picture, as the formats know it."""
    rng = np.random.default_rng(1)
    channels = {"L": 1, "LA": 2, "RGB": 3, "LAB": 3, "RGBA": 4, "CMYK": 4, "C5": 5}.get(mode)
    if channels:
        shape = (height, width) if channels == 1 else (height, width, channels)
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if ";" in mode and mode != "I;16":
        colours, _, dtype = mode.partition(";")
        whole = rng.integers(0, 65536, (height, width, {"LA": 2, "RGB": 3, "RGBA": 4}[colours]))
        return (whole if dtype == "uint16" else whole / 65535 - 0.1).astype(dtype)
    if mode == "F":
        return rng.normal(size=(height, width)).astype(np.float32)
    dtype = {"I;16": np.uint16, "I": np.int32}[mode]
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (height, width), dtype=dtype, endpoint=True)
