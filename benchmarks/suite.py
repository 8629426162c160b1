"""The image and the kernels of all measurements, how other libraries filter it, and how runs are timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import convfilter as cf

__all__ = ["KERNELS", "RIVALS", "kernel_of", "medians", "photograph"]

Run = Callable[[], object]

KERNELS = (
    "sharpen",
    "sobel",
    "box:size=3",
    "box:size=9",
    "box:size=31",
    "gaussian:sigma=1",
    "gaussian:sigma=3",
    "gaussian:sigma=10",
    "random 3",
    "random 5",
    "random 7",
    "random 9",
    "random 11",
    "random 15",
    "random 31",
    "random 63",
    "disk:radius=7",
    "disk:radius=15",
    "motion:length=31,angle=45",
)

_COFFEE = Path(__file__).parent.parent / "sample_images" / "coffee.png"


def photograph(width: int, height: int) -> np.ndarray:
    """Return a sample photograph enlarged to a size, with a little noise as a sensor has, uint8 (H, W, 3)."""
    from PIL import Image

    with Image.open(_COFFEE) as image:
        smooth = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 3, smooth.shape)
    return np.clip(np.rint(smooth + noise), 0, 255).astype(np.uint8)


def kernel_of(name: str) -> cf.Kernel:
    """Return a kernel of the suite; ``random N`` is a dense one of N x N floats of total size 1."""
    if not name.startswith("random "):
        return cf.get_kernel(name)
    side = int(name.removeprefix("random "))
    weights = np.random.default_rng(side).standard_normal((side, side))
    return cf.Kernel(f"random-{side}", parts=((weights / np.abs(weights).sum()).tolist(),))


def _weights(kernel: cf.Kernel) -> np.ndarray:
    return (kernel.arrays()[0] / kernel.divisors[0]).astype(np.float32)


def opencv(pixels: np.ndarray, kernel: cf.Kernel, threads: int) -> Run:
    """Return OpenCV's best way to the same result."""
    import cv2

    cv2.setNumThreads(threads)
    border = cv2.BORDER_REPLICATE
    if kernel.name == "sobel":

        def sobel() -> object:
            x = cv2.Sobel(pixels, cv2.CV_32F, 1, 0, ksize=3, borderType=border)
            y = cv2.Sobel(pixels, cv2.CV_32F, 0, 1, ksize=3, borderType=border)
            return cv2.convertScaleAbs(cv2.magnitude(x, y))

        return sobel
    weights = _weights(kernel)
    return lambda: cv2.filter2D(pixels, -1, weights, borderType=border)


def scipy(pixels: np.ndarray, kernel: cf.Kernel, threads: int) -> Run | None:
    """Return ``scipy.ndimage.correlate`` in float32, which has one thread; large kernels take too long."""
    if kernel.width * kernel.height > 25 and pixels.size > 1_000_000:
        return None
    from scipy import ndimage

    parts = [part.astype(np.float32)[..., np.newaxis] for part in kernel.arrays()]

    def run() -> object:
        sums = [ndimage.correlate(pixels.astype(np.float32), part, mode="nearest") for part in parts]
        value = sums[0] / kernel.divisors[0] if len(sums) == 1 else np.hypot(*sums)
        return np.clip(np.rint(value), 0, 255).astype(np.uint8)

    return run


def pillow(pixels: np.ndarray, kernel: cf.Kernel, threads: int) -> Run | None:
    """Return ``ImageFilter.Kernel``, which takes 3x3 and 5x5 only and has one thread."""
    from PIL import Image, ImageFilter

    if kernel.shape not in ((3, 3), (5, 5)) or len(kernel.parts) > 1:
        return None
    image = Image.fromarray(pixels)
    weights = _weights(kernel)[::-1]  # it turns kernels upside down
    own = ImageFilter.Kernel(kernel.shape, [float(weight) for weight in weights.ravel()], scale=1)
    return lambda: image.filter(own)


# By name: the module to import, and what makes a run of it.
RIVALS = {
    "cv2": ("cv2", opencv),
    "scipy": ("scipy", scipy),
    "Pillow": ("PIL", pillow),
}


def medians(
    runs: Mapping[str, Callable[[], object]], *, rounds: int = 5, patience: float = 20.0
) -> dict[str, float]:
    """Return the median time of each run in seconds, after a round that only warms up.

    Runs take turns, so that a machine whose speed drifts does not favour one side. A run that has taken more
    than `patience` seconds takes no part in further rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            if sum(times[name]) > patience:
                continue
            start = time.perf_counter()
            run()
            spent = time.perf_counter() - start
            if number or spent > patience:
                times[name].append(spent)
    return {name: statistics.median(each) for name, each in times.items()}
