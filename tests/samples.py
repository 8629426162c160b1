"""Small pictures with known samples, and how tests write and read picture files."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from convfilter.images.formats import grey_mode

SAMPLE_IMAGES = Path(__file__).resolve().parent.parent / "sample_images"


def grey(height=8, width=10, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def colour(height=8, width=10, channels=3, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def random_pixels(dtype, *shape, seed=0):
    """All values of a type; of floats from 0 to 1."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=limits.dtype, endpoint=True)


def save(path, pixels, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def save_all(folder, names="abcdef", height=8, width=10):
    """Pictures with a name of one letter each; each is a row higher than the one before."""
    for number, name in enumerate(names):
        save(folder / f"{name}.png", colour(height + number, width))


def npy(array):
    """The bytes of an array in NumPy's format."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


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
    greys = {"I;16": "L;uint16", "I": "L;int32", "F": "L;float32"}
    colours, _, dtype = greys.get(mode, mode).partition(";")
    channels = {"L": 1, "LA": 2, "RGB": 3, "LAB": 3, "RGBA": 4, "CMYK": 4, "C": 5, "C5": 5}[colours]
    shape = (height, width) if channels == 1 else (height, width, channels)
    if dtype.startswith("float"):
        return (rng.random(shape) - 0.1).astype(dtype)
    limits = np.iinfo(dtype or "uint8")
    return rng.integers(limits.min, limits.max, shape, dtype=limits.dtype, endpoint=True)


def mode_of(kind):
    """What the channels of a kind mean."""
    colours, _, dtype = kind.partition(";")
    if kind == "I;16" or colours != "L":
        return {"C": "C5"}.get(colours, kind if kind == "I;16" else colours)
    return grey_mode(dtype or "uint8")
