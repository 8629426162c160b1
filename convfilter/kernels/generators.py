"""Kernels from formulas, in plain Python numbers; only `deblur` needs numpy.

A generator is a function that returns a table, or several as a tuple. Its arguments are its parameters, with
defaults and limits (no lazy annotations here: the limits are read from them). Integer weights are divided by
their sum, and several tables are combined as a magnitude.
x counts columns to the right and y rows downwards from the middle sample. Angles are in degrees,
counter-clockwise as displayed, from the direction of a row.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from convfilter.errors import KernelError, brief, did_you_mean, escaped, figure
from convfilter.kernels.kernel import LARGEST_SIDE, Kernel, blaming, choice, number, quoted

Weights = list[list[float]]

_LARGEST_RADIUS = LARGEST_SIDE // 2
_LARGEST_BLUR = 255  # sides of what `deblur` inverts
# Below this a Gaussian is a single sample, and its formula divides by nearly nothing.
_SMALLEST = 0.01


class Limits(NamedTuple):
    """The smallest and the largest value of a parameter; a pair, across and down, may be one number."""

    lowest: float = -math.inf
    highest: float = math.inf
    pair: bool = False
    whole: bool = False


# Without limits: a kernel, given by its name.
Blur = Annotated[Kernel | str, None]
Size = Annotated[int | tuple[int, int], Limits(1, LARGEST_SIDE, pair=True, whole=True)]
SizeOfInverse = Annotated[int | tuple[int, int], Limits(1, 51, pair=True, whole=True)]
Radius = Annotated[float, Limits(0, _LARGEST_RADIUS)]
Length = Annotated[float, Limits(1, LARGEST_SIDE)]
Sigma = Annotated[float, Limits(_SMALLEST, _LARGEST_RADIUS / 3)]
Sigmas = Annotated[float | tuple[float, float], Limits(_SMALLEST, _LARGEST_RADIUS / 3, pair=True)]
Truncate = Annotated[float, Limits(0.5, 10)]
Noise = Annotated[float, Limits(0.001, 10)]
SigmaOfLog = Annotated[float, Limits(_SMALLEST, _LARGEST_RADIUS / 4)]
Ratio = Annotated[float, Limits(1.001, 1000)]
Wavelength = Annotated[float, Limits(_SMALLEST, 1e6)]
Unlimited = Annotated[float, Limits()]


def box(size: Size = 3) -> Weights:
    """Equal weights."""
    width, height = _pair(size)
    return [[1] * width for _ in range(height)]


def disk(radius: Radius = 3) -> Weights:
    """Equal weights where x² + y² <= radius²."""
    return _table(math.floor(radius), lambda x, y: int(x * x + y * y <= radius * radius))


def gaussian(sigma: Sigmas = 1, truncate: Truncate = 3) -> Weights:
    """exp(-(x² + y²) / 2 sigma²) out to ceil(truncate * sigma), normalized to sum to 1."""
    profiles = []
    for each in _pair(sigma):
        if truncate * each > _LARGEST_RADIUS:
            found = f"not {truncate * each:.6g}"
            raise KernelError(f"truncate times sigma must be at most {_LARGEST_RADIUS}, {found}")
        profiles.append(_profile(each, math.ceil(truncate * each)))
    return _product(profiles[1], profiles[0])


def gaussian_x(sigma: Sigma = 1) -> Weights:
    """Slope of a Gaussian along the row, x exp(-(x² + y²) / 2 sigma²), out to ceil(3 sigma).

    Scaled so that a ramp that grows by 1 a column gives 1.
    """
    radius = math.ceil(3 * sigma)
    profile = _profile(sigma, radius)
    moment = math.fsum(x * x * weight for x, weight in enumerate(profile, -radius))
    if moment < 1e-9:
        raise KernelError("with these parameters all weights are zero; choose a larger sigma")
    return _product(profile, [x * weight / moment for x, weight in enumerate(profile, -radius)])


def gaussian_y(sigma: Sigma = 1) -> Weights:
    """Slope of a Gaussian down the column, see `gaussian_x`."""
    return [list(column) for column in zip(*gaussian_x(sigma), strict=True)]


def gaussian_gradient(sigma: Sigma = 1) -> tuple[Weights, Weights]:
    """Both slopes of a Gaussian, see `gaussian_x`."""
    return gaussian_x(sigma), gaussian_y(sigma)


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
    largest = ratio * sigma
    if largest > _LARGEST_RADIUS / 3:
        raise KernelError(f"ratio times sigma must be at most {_LARGEST_RADIUS // 3}, not {largest:.6g}")
    radius = math.ceil(3 * largest)
    narrow, wide = _profile(sigma, radius), _profile(largest, radius)

    def weight(x: int, y: int) -> float:
        return narrow[y + radius] * narrow[x + radius] - wide[y + radius] * wide[x + radius]

    weights = _mean_removed(_table(radius, weight))
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


def deblur(of: Blur = "gaussian", size: SizeOfInverse = 25, noise: Noise = 0.01) -> Weights:
    """Wiener filter of limited size for a blur, scaled to the sum 1.

    With spectra S ~ 1 / f² of images and noise² mean(S) of noise, it minimizes the mean square difference of
    the sharp image and the filtered blurred one. Its normal equations are a convolution of the weights with
    the autocorrelation of blurred images.
    """
    import numpy as np  # only here: most runs need no such kernel

    assert isinstance(of, Kernel)
    if len(of.parts) > 1 or not {"row", "column"}.issuperset(of.axes) or of.is_zero_sum:
        mend = "use a kernel of one part that spans rows and columns and does not sum to zero"
        raise KernelError(f"of: '{of.name}' is not a blur: {mend}")
    if max(of.height, of.width) > _LARGEST_BLUR:
        raise KernelError(f"of: '{of.name}' is too large: use at most {_LARGEST_BLUR} rows and columns")
    width, height = _pair(size)
    blur = of.arrays()[0].reshape(of.height, of.width)
    side = 2 * (max(width, height) + max(blur.shape))
    squared = np.add.outer(np.fft.fftfreq(side) ** 2, np.fft.fftfreq(side) ** 2)
    squared[0, 0] = squared[0, 1]  # the mean, about which the prior says nothing
    prior = 1 / squared
    placed = np.zeros((side, side))
    row, column = of.anchor or ((of.height - 1) // 2, (of.width - 1) // 2)
    placed[: of.height, : of.width] = blur / blur.sum()
    spectrum = np.fft.fft2(np.roll(placed, (-row, -column), (0, 1)))
    blurred = np.abs(spectrum) ** 2 * prior + noise**2 * prior.mean()
    autocorrelation = np.fft.ifft2(blurred).real
    crosscorrelation = np.fft.ifft2(prior * spectrum).real
    down, across = (index.ravel() for index in np.indices((height, width)))
    left = autocorrelation[np.subtract.outer(down, down), np.subtract.outer(across, across)]
    right = crosscorrelation[(height - 1) // 2 - down, (width - 1) // 2 - across]
    weights = np.linalg.solve(left, right).reshape(height, width)
    centred = of.anchor is None and all(side % 2 for side in (*blur.shape, width, height))
    if centred and np.array_equal(blur, blur[::-1, ::-1]):  # symmetric, apart from roundings
        weights = (weights + weights[::-1, ::-1]) / 2
    made: Weights = (weights / weights.sum()).tolist()
    return made


_FUNCTIONS: tuple[Callable[..., Weights | tuple[Weights, ...]], ...] = (
    *(box, disk, gaussian, gaussian_x, gaussian_y, gaussian_gradient, unsharp, log, dog, motion, gabor),
    deblur,
)
GENERATORS = {each.__name__.replace("_", "-"): each for each in _FUNCTIONS}
# The full width of a Gaussian at half maximum, in units of sigma.
_FWHM = math.sqrt(8 * math.log(2))

# Other measures of a Gaussian.
_SIGMAS = {"size": "size / 6", "ksize": "ksize / 6", "width": "width / 6", "radius": "radius / 3"}


def generate(
    generator: object,
    values: object,
    find: Callable[[str], Kernel],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the fields of a kernel that a generator makes; `find` looks up kernels among the parameters.

    Omitted parameters take their defaults, which may be changed.
    """
    name = choice(generator, tuple(GENERATORS))
    if not isinstance(values, Mapping):
        raise KernelError(f"expected a table of parameters, got {brief(values)}")
    known = inspect.signature(GENERATORS[name]).parameters
    limits = {key: parameter.annotation.__metadata__[0] for key, parameter in known.items()}
    usual = {key: parameter.default for key, parameter in known.items()} | dict(defaults)
    given, words = dict(values), [*known]
    if name == "gaussian":
        words.append("fwhm")
    if "fwhm" in given and "fwhm" in words:
        if "sigma" in given:
            raise KernelError("fwhm and sigma cannot be used together")
        lowest, highest, *kind = limits["sigma"]
        numbers = _checked("fwhm", given.pop("fwhm"), Limits(lowest * _FWHM, highest * _FWHM, *kind))
        given["sigma"] = [each / _FWHM for each in (numbers if isinstance(numbers, tuple) else (numbers,))]
    for each in given:
        if each not in known:
            mend = _mend(name, each, given, usual) or did_you_mean(each, words)
            raise KernelError(f"unknown parameter {quoted(each)}{mend}")
    parameters: dict[str, float | tuple[float, ...] | str] = {}
    arguments: dict[str, Any] = {}
    for key, value in (usual | given).items():
        if limits[key] is None:
            arguments[key] = _kernel_named(key, value, find)
            own = arguments[key].name
            parameters[key] = re.sub(":(.*)", r"(\1)", own) if ":" in own else arguments[key].label
        else:
            arguments[key] = parameters[key] = _checked(key, value, limits[key])
    made = GENERATORS[name](**arguments)
    parts = made if isinstance(made, tuple) else (made,)
    whole = all(isinstance(each, int) for part in parts for row in part for each in row)
    return {
        "parts": parts,
        "divisors": tuple(sum(map(sum, part)) if whole else 1 for part in parts),
        "combine": "magnitude" if len(parts) > 1 else None,
        "parameters": parameters,
        "generator": name,
    }


def _mend(generator: str, parameter: str, given: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """Return how to write a parameter of the blur in `of`, or the size of a Gaussian; else nothing."""
    if parameter in _SIGMAS and GENERATORS[generator] in (gaussian, unsharp):
        return f" (did you mean 'sigma'? sigma is about {_SIGMAS[parameter]})"
    if "of" in usual:
        blurs = (given["of"],) if "of" in given else (usual["of"], "disk", "motion", "box")
        for blur in (str(each).partition("(")[0] for each in blurs):
            if blur in GENERATORS and parameter in inspect.signature(GENERATORS[blur]).parameters:
                value = given[parameter]
                numbers = value if isinstance(value, list | tuple) else (value,)
                text = escaped(",".join(map(str, numbers)), longest=40)
                return f": parameters of the blur follow it in brackets, of={blur}({parameter}={text})"
    return ""


def _kernel_named(name: str, value: object, find: Callable[[str], Kernel]) -> Kernel:
    """Return the kernel that a parameter names; its own parameters are in brackets."""
    if not isinstance(value, str):
        raise KernelError(f"{name}: expected the name of a kernel, got {brief(value)}")
    written = re.fullmatch(r"([^()]*)(?:\(([^()]*)\))?", value.strip())
    if written is None:
        mend = "write a kernel's own parameters in one pair of brackets, such as disk(radius=3)"
        raise KernelError(f"{name}: {quoted(value)}: {mend}")
    with blaming(name):
        return find(written[1] if written[2] is None else f"{written[1]}:{written[2]}")


def _checked(name: str, value: object, limits: Limits) -> float | tuple[float, ...]:
    """Return the value of a parameter if it is within its limits."""
    values = value if isinstance(value, list | tuple) else (value,)
    if len(values) not in ((1, 2) if limits.pair else (1,)):
        raise KernelError(f"{name} takes {'one or two numbers' if limits.pair else 'one number'}")
    numbers = []
    for each in values:
        with blaming(name):
            checked = number(each)
        if limits.whole and not isinstance(checked, int):
            raise KernelError(f"{name} must be a whole number, not {brief(checked)}")
        if not limits.lowest <= checked <= limits.highest:
            lowest, highest = figure(limits.lowest), figure(math.floor(limits.highest))
            raise KernelError(f"{name} must be from {lowest} to {highest}, not {figure(checked)}")
        numbers.append(checked)
    return tuple(numbers) if len(numbers) > 1 else numbers[0]


def _table(radius: int, weight: Callable[[int, int], float], rows: int | None = None) -> Weights:
    """Return weights around the middle sample, out to `radius` along rows and `rows` along columns."""
    down = radius if rows is None else rows
    return [[weight(x, y) for x in range(-radius, radius + 1)] for y in range(-down, down + 1)]


def _profile(sigma: float, radius: int) -> list[float]:
    """Return a Gaussian along a line, normalized to sum to 1."""
    (profile,) = _table(radius, lambda x, _: math.exp(-(x * x) / (2 * sigma * sigma)), 0)
    total = math.fsum(profile)
    return [weight / total for weight in profile]


def _product(column: list[float], row: list[float]) -> Weights:
    return [[a * b for b in row] for a in column]


def _pair(value: Any) -> tuple[Any, Any]:
    """Return a value for across and one for down, from one for both or two."""
    return value if isinstance(value, tuple) else (value, value)


def _direction(angle: float) -> tuple[float, float]:
    """Return cosine and sine of an angle in degrees, exact at right angles."""
    angle = angle % 360 % 360  # twice: -1e-20 % 360 is rounded to 360
    right_angles = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
    if angle in right_angles:
        return right_angles[angle]
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))


def _sum(weights: Weights) -> float:
    return math.fsum(each for row in weights for each in row)


def _positive_sum(weights: Weights, mend: str) -> float:
    """Return the sum of the positive weights; refuse a table without any."""
    positive = math.fsum(each for row in weights for each in row if each > 0)
    if positive < 1e-9:
        raise KernelError(f"with these parameters all weights are zero; {mend}")
    return positive


def _divided(weights: Weights, divisor: float) -> Weights:
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
