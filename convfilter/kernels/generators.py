"""Kernels from formulas, in plain Python numbers.

A generator is a function that returns a table. Its arguments are its parameters, with defaults and limits (no
lazy annotations here: the limits are read from them). Integer weights are divided by their sum.
x counts columns to the right and y rows downwards from the middle sample. Angles are in degrees,
counter-clockwise as displayed, from the direction of a row.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from convfilter.errors import KernelError
from convfilter.kernels.kernel import LARGEST_SIDE, choice, kind_of, number, quoted
from convfilter.messages import brief, propose

__all__ = ["GENERATORS", "generate"]

Weights = list[list[float]]

_LARGEST_RADIUS = LARGEST_SIDE // 2
# Below this a Gaussian is a single sample, and its formula divides by nearly nothing.
_SMALLEST = 0.01


class Limits(NamedTuple):
    """The smallest and the largest value of a parameter; a size is one or two integers."""

    lowest: float = -math.inf
    highest: float = math.inf
    is_size: bool = False


Size = Annotated[int | tuple[int, int], Limits(1, LARGEST_SIDE, is_size=True)]
Radius = Annotated[float, Limits(0, _LARGEST_RADIUS)]
Length = Annotated[float, Limits(1, LARGEST_SIDE)]
Sigma = Annotated[float, Limits(_SMALLEST, _LARGEST_RADIUS / 3)]
SigmaOfLog = Annotated[float, Limits(_SMALLEST, _LARGEST_RADIUS / 4)]
Ratio = Annotated[float, Limits(1.001, 1000)]
Wavelength = Annotated[float, Limits(_SMALLEST, 1e6)]
Unlimited = Annotated[float, Limits()]


def box(size: Size = 3) -> Weights:
    """Equal weights."""
    width, height = size if isinstance(size, tuple) else (size, size)
    return [[1] * width for _ in range(height)]


def disk(radius: Radius = 3) -> Weights:
    """Equal weights where x² + y² <= radius²."""
    return _table(math.floor(radius), lambda x, y: int(x * x + y * y <= radius * radius))


def gaussian(sigma: Sigma = 1) -> Weights:
    """exp(-(x² + y²) / 2 sigma²) out to ceil(3 sigma), normalized to the sum 1."""
    return _gaussian_of_radius(sigma, math.ceil(3 * sigma))


def unsharp(sigma: Sigma = 1, amount: Unlimited = 1) -> Weights:
    """Identity plus `amount` times (identity minus Gaussian)."""
    weights = [[-amount * weight for weight in row] for row in gaussian(sigma)]
    middle = len(weights) // 2
    weights[middle][middle] += 1 + amount
    return weights


def log(sigma: SigmaOfLog = 1.4) -> Weights:
    """Laplacian of a Gaussian, (r² - 2 sigma²) / (2 pi sigma⁶) exp(-r² / 2 sigma²), mean removed.

    The middle is negative, as in the discrete Laplacian. It decays more slowly than the Gaussian: cut at
    3 sigma it would lose more than a tenth of its positive ring, so the radius is 4 sigma.
    """
    scale = math.pi * sigma**4

    def weight(x: int, y: int) -> float:
        half = (x * x + y * y) / (2 * sigma * sigma)
        return (half - 1) * math.exp(-half) / scale

    return _mean_removed(_table(math.ceil(4 * sigma), weight))


def dog(sigma: Sigma = 1, ratio: Ratio = 1.6) -> Weights:
    """Narrow Gaussian (sigma) minus wide one (ratio * sigma), mean removed.

    The middle is positive: it approximates the negative Laplacian of a Gaussian.
    """
    wide = ratio * sigma
    if wide > _LARGEST_RADIUS / 3:
        raise KernelError(f"ratio times sigma must be at most {_LARGEST_RADIUS / 3:.6g}, not {wide:.6g}")
    radius = math.ceil(3 * wide)
    pairs = zip(_gaussian_of_radius(sigma, radius), _gaussian_of_radius(wide, radius), strict=True)
    weights = _mean_removed([[a - b for a, b in zip(*rows, strict=True)] for rows in pairs])
    _positive_sum(weights, "choose a larger sigma or ratio")
    return weights


def motion(length: Length = 9, angle: Unlimited = 0) -> Weights:
    """Line of `length` samples: max(0, 1 - distance to the segment of that length - 1), sum 1."""
    cosine, sine = _direction(angle)
    half = (length - 1) / 2

    def weight(x: int, y: int) -> float:
        along = max(-half, min(half, x * cosine - y * sine))
        distance = math.hypot(x - along * cosine, y + along * sine)
        return 1 - distance if distance < 1 - 1e-9 else 0

    # One row and column more than the segment reaches; empty ones are trimmed.
    columns, rows = (math.ceil(half * abs(reach)) + 1 for reach in (cosine, sine))
    weights = _trimmed(_table(columns, weight, rows))
    # Along rows and columns all weights are multiples of 1/2: exact as integers.
    if all(float(2 * each).is_integer() for row in weights for each in row):
        doubled = [[int(2 * each) for each in row] for row in weights]
        common = math.gcd(*(each for row in doubled for each in row))
        return [[each // common for each in row] for row in doubled]
    return _divided(weights, _sum(weights))


def gabor(
    sigma: Sigma = 3, wavelength: Wavelength = 8, angle: Unlimited = 0, phase: Unlimited = 0
) -> Weights:
    """Cosine wave under a round Gaussian, mean removed; the positive weights sum to 1.

    The wave runs in the direction of `angle`: at 0 its crests are vertical.
    """
    cosine, sine = _direction(angle)
    shift = math.radians(phase % 360)

    def weight(x: int, y: int) -> float:
        wave = 2 * math.pi * (x * cosine - y * sine) / wavelength + shift
        return math.exp(-(x * x + y * y) / (2 * sigma * sigma)) * math.cos(wave)

    weights = _mean_removed(_table(math.ceil(3 * sigma), weight))
    return _divided(weights, _positive_sum(weights, "choose another phase or a larger sigma"))


_FUNCTIONS = (box, disk, gaussian, unsharp, log, dog, motion, gabor)
GENERATORS: Mapping[str, Callable[..., Weights]] = {each.__name__: each for each in _FUNCTIONS}


def generate(generator: object, values: object) -> dict[str, Any]:
    """Return the fields of a kernel that a generator makes; omitted parameters take their defaults."""
    name = choice(generator, tuple(GENERATORS))
    if not isinstance(values, Mapping):
        raise KernelError(f"{kind_of(values)} where a table of parameters belongs")
    known = inspect.signature(GENERATORS[name]).parameters
    for each in values:
        if each not in known:
            raise KernelError(f"unknown parameter {quoted(each)}{propose(each, known)}")
    parameters = {
        key: _checked(key, values.get(key, parameter.default), parameter.annotation.__metadata__[0])
        for key, parameter in known.items()
    }
    weights = GENERATORS[name](**parameters)
    whole = all(isinstance(each, int) for row in weights for each in row)
    divisor = sum(map(sum, weights)) if whole else 1
    return {"parts": (weights,), "divisors": (divisor,), "parameters": parameters, "generator": name}


def _checked(name: str, value: object, limits: Limits) -> float | tuple[float, ...]:
    """Return the value of a parameter if it is within its limits."""
    values = value if isinstance(value, list | tuple) else (value,)
    if len(values) not in ((1, 2) if limits.is_size else (1,)):
        raise KernelError(f"{name} takes {'one or two numbers' if limits.is_size else 'one number'}")
    numbers = []
    for each in values:
        try:
            checked = number(each)
        except KernelError as error:
            raise KernelError(f"{name}: {error}") from None
        if limits.is_size and not isinstance(checked, int):
            raise KernelError(f"{name} must be a whole number, not {brief(checked)}")
        if not limits.lowest <= checked <= limits.highest:
            raise KernelError(
                f"{name} must be from {limits.lowest:.6g} to {limits.highest:.6g}, not {checked:.6g}"
            )
        numbers.append(checked)
    return tuple(numbers) if len(numbers) > 1 else numbers[0]


def _table(radius: int, weight: Callable[[int, int], float], rows: int | None = None) -> Weights:
    """Return weights around the middle sample, out to `radius` along rows and `rows` along columns."""
    down = radius if rows is None else rows
    return [[weight(x, y) for x in range(-radius, radius + 1)] for y in range(-down, down + 1)]


def _gaussian_of_radius(sigma: float, radius: int) -> Weights:
    """Return a Gaussian as the product of two profiles, each normalized to the sum 1."""
    profile = [math.exp(-(x * x) / (2 * sigma * sigma)) for x in range(-radius, radius + 1)]
    (profile,) = _divided([profile], math.fsum(profile))
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


def _positive_sum(weights: Weights, mend: str) -> float:
    """Return the sum of the positive weights; refuse a table without any."""
    positive = math.fsum(each for row in weights for each in row if each > 0)
    if positive < 1e-9:
        raise KernelError(f"with these parameters all weights vanish; {mend}")
    return positive


def _divided(weights: Weights, divisor: float) -> Weights:
    """Return the table divided by a number."""
    return [[each / divisor for each in row] for row in weights]


def _mean_removed(weights: Weights) -> Weights:
    """Return the table minus its mean, so that it sums to zero."""
    mean = _sum(weights) / sum(map(len, weights))
    return [[each - mean for each in row] for row in weights]


def _trimmed(weights: Weights) -> Weights:
    """Return the table without the rows and columns of zeros around it."""
    rows = [place for place, row in enumerate(weights) if any(row)]
    columns = [place for place, column in enumerate(zip(*weights, strict=True)) if any(column)]
    return [row[columns[0] : columns[-1] + 1] for row in weights[rows[0] : rows[-1] + 1]]
