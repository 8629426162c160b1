"""Kernels from formulas, in plain Python numbers.

x counts columns to the right and y rows downwards from the middle sample. Angles are in degrees,
counter-clockwise as displayed, from the direction of a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from convfilter.errors import KernelError
from convfilter.kernels.checks import LARGEST_SIDE, choice, kind_of, named, number
from convfilter.messages import brief, propose

__all__ = ["GENERATORS", "Generated", "generate"]

Value = int | float | tuple[int | float, ...]
Weights = list[list[float]]

_LARGEST_RADIUS = LARGEST_SIDE // 2
# Below this a Gaussian is a single sample, and its formula divides by nearly nothing.
_SMALLEST = 0.01


class Generated(NamedTuple):
    """One table, its divisor, and all parameters with their values."""

    weights: Weights
    divisor: int | float
    parameters: dict[str, Value]


class Parameter(NamedTuple):
    """One parameter of a generator: its default and its limits."""

    default: Value
    lowest: float = -math.inf
    highest: float = math.inf
    is_size: bool = False  # one or two integers: side, or width and height

    def checked(self, name: str, value: object) -> Value:
        """Return the value if it is within the limits; `name` is for the error."""
        values = value if isinstance(value, list | tuple) else (value,)
        if len(values) not in ((1, 2) if self.is_size else (1,)):
            raise KernelError(f"{name} takes {'one or two numbers' if self.is_size else 'one number'}")
        numbers = tuple(self._checked_number(name, each) for each in values)
        return numbers if len(numbers) > 1 else numbers[0]

    def _checked_number(self, name: str, value: object) -> int | float:
        try:
            checked = number(value)
        except KernelError as error:
            raise KernelError(f"{name}: {error}") from None
        if self.is_size and not isinstance(checked, int):
            raise KernelError(f"{name} must be a whole number, not {brief(checked)}")
        if not self.lowest <= checked <= self.highest:
            raise KernelError(
                f"{name} must be from {self.lowest:.6g} to {self.highest:.6g}, not {checked:.6g}"
            )
        return checked


def generate(generator: object, given: object) -> Generated:
    """Return the weights of a generator; parameters that are not in `given` have their defaults."""
    make, parameters = GENERATORS[choice(generator, tuple(GENERATORS))]
    if not isinstance(given, Mapping):
        raise KernelError(f"{kind_of(given)} where a table of parameters belongs")
    for name in given:
        if name not in parameters:
            raise KernelError(f"unknown parameter '{named(name)}'{propose(name, parameters)}")
    values = {name: each.checked(name, given.get(name, each.default)) for name, each in parameters.items()}
    weights, divisor = make(**values)
    return Generated(weights, divisor, values)


def _box(size: Any) -> tuple[Weights, int]:
    """Equal weights."""
    width, height = size if isinstance(size, tuple) else (size, size)
    return [[1] * width for _ in range(height)], width * height


def _disk(radius: float) -> tuple[Weights, int]:
    """Equal weights where x² + y² <= radius²."""
    steps = _steps(math.floor(radius))
    weights: Weights = [[int(x * x + y * y <= radius * radius) for x in steps] for y in steps]
    return weights, int(_sum(weights))


def _gaussian(sigma: float) -> tuple[Weights, int]:
    """exp(-(x² + y²) / 2 sigma²) out to ceil(3 sigma), normalized to the sum 1."""
    return _gaussian_of_radius(sigma, math.ceil(3 * sigma)), 1


def _unsharp(sigma: float, amount: float) -> tuple[Weights, int]:
    """Identity plus `amount` times (identity minus Gaussian)."""
    blur, _ = _gaussian(sigma)
    weights = [[-amount * weight for weight in row] for row in blur]
    middle = len(weights) // 2
    weights[middle][middle] += 1 + amount
    return weights, 1


def _log(sigma: float) -> tuple[Weights, int]:
    """Laplacian of a Gaussian, (r² - 2 sigma²) / (2 pi sigma⁶) exp(-r² / 2 sigma²), mean removed.

    The middle is negative, as in the discrete Laplacian. It decays more slowly than the Gaussian:
    cut at 3 sigma it would lose more than a tenth of its positive ring, so the radius is 4 sigma.
    """
    steps = _steps(math.ceil(4 * sigma))
    scale = math.pi * sigma**4
    half = {(x, y): (x * x + y * y) / (2 * sigma * sigma) for y in steps for x in steps}
    return _mean_removed(
        [[(half[x, y] - 1) * math.exp(-half[x, y]) / scale for x in steps] for y in steps]
    ), 1


def _dog(sigma: float, ratio: float) -> tuple[Weights, int]:
    """Narrow Gaussian (sigma) minus wide one (ratio * sigma), mean removed.

    The middle is positive: it approximates the negative Laplacian of a Gaussian.
    """
    wide = ratio * sigma
    if wide > _LARGEST_RADIUS / 3:
        raise KernelError(f"ratio times sigma must be at most {_LARGEST_RADIUS / 3:.6g}, not {wide:.6g}")
    radius = math.ceil(3 * wide)
    pairs = zip(_gaussian_of_radius(sigma, radius), _gaussian_of_radius(wide, radius), strict=True)
    weights = _mean_removed([[a - b for a, b in zip(*rows, strict=True)] for rows in pairs])
    _positive(weights, "choose a larger sigma or ratio")
    return weights, 1


def _motion(length: float, angle: float) -> tuple[Weights, int | float]:
    """Line of `length` samples: max(0, 1 - distance to the segment of that length - 1), sum 1."""
    cosine, sine = _direction(angle)
    half = (length - 1) / 2
    # One row and column more than the segment reaches; empty ones are trimmed.
    columns, rows = (_steps(math.ceil(half * abs(reach)) + 1) for reach in (cosine, sine))

    def weight(x: int, y: int) -> float:
        along = max(-half, min(half, x * cosine - y * sine))
        distance = math.hypot(x - along * cosine, y + along * sine)
        return 1 - distance if distance < 1 - 1e-9 else 0

    weights = _trimmed([[weight(x, y) for x in columns] for y in rows])
    # Along rows and columns all weights are multiples of 1/2: exact as integers.
    if all(float(2 * each).is_integer() for row in weights for each in row):
        doubled = [[int(2 * each) for each in row] for row in weights]
        common = math.gcd(*(each for row in doubled for each in row))
        integers: Weights = [[each // common for each in row] for row in doubled]
        return integers, int(_sum(integers))
    total = _sum(weights)
    return [[each / total for each in row] for row in weights], 1


def _gabor(sigma: float, wavelength: float, angle: float, phase: float) -> tuple[Weights, int]:
    """Cosine wave under a round Gaussian, mean removed; the positive weights sum to 1.

    The wave runs in the direction of `angle`: at 0 its crests are vertical.
    """
    cosine, sine = _direction(angle)
    shift = math.radians(phase % 360)
    steps = _steps(math.ceil(3 * sigma))

    def weight(x: int, y: int) -> float:
        wave = 2 * math.pi * (x * cosine - y * sine) / wavelength + shift
        return math.exp(-(x * x + y * y) / (2 * sigma * sigma)) * math.cos(wave)

    weights = _mean_removed([[weight(x, y) for x in steps] for y in steps])
    positive = _positive(weights, "choose another phase or a larger sigma")
    return [[each / positive for each in row] for row in weights], 1


def _steps(radius: int) -> range:
    """Return the positions of samples on one axis, counted from the middle."""
    return range(-radius, radius + 1)


def _gaussian_of_radius(sigma: float, radius: int) -> Weights:
    """Return a Gaussian as the product of two profiles, each normalized to the sum 1."""
    profile = [math.exp(-(x * x) / (2 * sigma * sigma)) for x in _steps(radius)]
    total = math.fsum(profile)
    profile = [each / total for each in profile]
    return [[a * b for b in profile] for a in profile]


def _direction(angle: float) -> tuple[float, float]:
    """Return cosine and sine of an angle in degrees, exact at right angles."""
    angle = angle % 360 % 360  # twice: -1e-20 % 360 is rounded to 360
    right_angles = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
    if angle in right_angles:
        return right_angles[angle]
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))


def _sum(weights: Weights) -> float:
    """Return the correctly rounded sum of a table."""
    return math.fsum(each for row in weights for each in row)


def _positive(weights: Weights, mend: str) -> float:
    """Return the sum of the positive weights; refuse a table without any."""
    positive = math.fsum(each for row in weights for each in row if each > 0)
    if positive < 1e-9:
        raise KernelError(f"with these parameters all weights vanish; {mend}")
    return positive


def _mean_removed(weights: Weights) -> Weights:
    """Return the table minus its mean, so that it sums to zero."""
    mean = _sum(weights) / sum(map(len, weights))
    return [[each - mean for each in row] for row in weights]


def _trimmed(weights: Weights) -> Weights:
    """Return the table without the rows and columns of zeros around it."""
    rows = [place for place, row in enumerate(weights) if any(row)]
    columns = [place for place, column in enumerate(zip(*weights, strict=True)) if any(column)]
    return [row[columns[0] : columns[-1] + 1] for row in weights[rows[0] : rows[-1] + 1]]


_SIGMA = Parameter(1, _SMALLEST, _LARGEST_RADIUS / 3)
_ANGLE = Parameter(0)

GENERATORS: Mapping[str, tuple[Callable[..., tuple[Weights, int | float]], Mapping[str, Parameter]]] = {
    "box": (_box, {"size": Parameter(3, 1, LARGEST_SIDE, is_size=True)}),
    "disk": (_disk, {"radius": Parameter(3, 0, _LARGEST_RADIUS)}),
    "gaussian": (_gaussian, {"sigma": _SIGMA}),
    "unsharp": (_unsharp, {"sigma": _SIGMA, "amount": Parameter(1)}),
    "log": (_log, {"sigma": Parameter(1.4, _SMALLEST, _LARGEST_RADIUS / 4)}),
    "dog": (_dog, {"sigma": _SIGMA, "ratio": Parameter(1.6, 1.001, 1000)}),
    "motion": (_motion, {"length": Parameter(9, 1, LARGEST_SIDE), "angle": _ANGLE}),
    "gabor": (
        _gabor,
        {
            "sigma": Parameter(3, _SMALLEST, _LARGEST_RADIUS / 3),
            "wavelength": Parameter(8, _SMALLEST, 1e6),
            "angle": _ANGLE,
            "phase": Parameter(0),
        },
    ),
}
