"""Results blended with the image: strength, masks, regions and thresholds."""

from fractions import Fraction

import numpy as np
import pytest
from filters import BLUR, DEPTHS, EDGES, SHARPEN, picture, random_kernel
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import FULL_SCALE, distance_to_tie, round_half_up, settle, values_by_loops

from convfilter import apply_kernel, get_kernel
from convfilter.filtering import filter_pixels
from convfilter.options import FilterOptions

MAGNITUDE = random_kernel(3, parts=2, divisors=(1, 2), combine="magnitude")


def blended_by_fractions(
    pixels, kernel, *, mix=1.0, mask=None, region=None, threshold=0.0, depth=None, **options
):
    """What blending makes of an image, as fractions before rounding, and how much of the filter it holds."""
    values = values_by_loops(pixels, kernel, **options)
    image = pixels.reshape(*pixels.shape[:2], -1)
    full = FULL_SCALE[pixels.dtype.name]
    share = np.full(pixels.shape[:2], Fraction(str(mix)))
    if mask is not None:
        share = share * (mask.astype(object) * Fraction(1, int(np.iinfo(mask.dtype).max)))
    if region is not None:
        row, column, height, width = region
        inside = np.zeros(share.shape, bool)
        inside[row : row + height, column : column + width] = True
        share = np.where(inside, share, Fraction(0))
    weighed = options.get("alpha") == "premultiply"

    def mixed(kept, value, part, scale=1):
        change = value - kept
        size = max(abs(change) - Fraction(str(threshold)) * full * scale, 0)
        return kept + part * (size if change > 0 else -size)

    result = np.empty(values.shape, object)
    for place in np.ndindex(values.shape[:2]):
        kept, made = ([Fraction(each) for each in array[place].tolist()] for array in (image, values))
        mixtures = [
            mixed(*pair, share[place]) for pair in zip(kept, made, strict=False)
        ]  # alpha may be dropped
        if weighed and share[place] and round_half_up(mixtures[-1]) > 0:
            pairs = zip(kept[:-1], made[:-1], strict=True)
            weighted = [mixed(x * kept[-1], f * made[-1], share[place], full) for x, f in pairs]
            mixtures[:-1] = [each / mixtures[-1] for each in weighted]
        result[place] = mixtures
    return result * Fraction(FULL_SCALE[depth or pixels.dtype.name], full), share


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    channels=st.sampled_from([None, 3, 4]),
    dtype=st.sampled_from(DEPTHS),
    kernel=st.sampled_from([BLUR, SHARPEN, EDGES, MAGNITUDE, random_kernel(1, divisors=(7,), offset=0.25)]),
    mix=st.sampled_from([0.0, 0.3, 0.5, 0.999, 1.0]),
    mask=st.sampled_from([None, *DEPTHS]),
    region=st.sampled_from([None, (1, 2, 3, 9), (0, 0, 6, 7)]),
    threshold=st.sampled_from([0.0, 0.0, 0.02, 0.1]),
    depth=st.sampled_from([None, None, *DEPTHS]),
    options=st.fixed_dictionaries(
        {
            "border": st.sampled_from(["edge", "wrap", "constant"]),
            "range": st.sampled_from(["clip", "absolute", "signed"]),
            "alpha": st.sampled_from(["keep", "plain", "drop", "premultiply"]),
        }
    ),
)
def test_blends_are_exact(seed, channels, dtype, kernel, mix, mask, region, threshold, depth, options):
    """Rational strengths, masks of 8 and 16 bits: rounded once, ties up; the image where nothing is taken."""
    if options["alpha"] == "premultiply" and (kernel not in (BLUR, SHARPEN) or channels != 4):
        options["alpha"] = "keep"
    pixels = picture(seed, 6, 7, *([channels] if channels else []), dtype=dtype)
    mask = None if mask is None else picture(seed + 1, 6, 7, dtype=mask)
    blend = {"mix": mix, "mask": mask, "region": region, "threshold": threshold}
    values, share = blended_by_fractions(pixels, kernel, depth=depth, **blend, **options)
    bits = {"uint8": 8, "uint16": 16, None: None}[depth]
    made = apply_kernel(pixels, kernel, depth=bits, **blend, **options).reshape(values.shape)
    expected = settle(values, np.dtype(depth or dtype))
    for place in zip(*np.nonzero(made != expected), strict=True):
        assert options["alpha"] == "premultiply"
        assert distance_to_tie(values[place]) < Fraction(1, 10**6)
    if depth is None:
        image = pixels.reshape(6, 7, -1)[..., : values.shape[-1]]
        np.testing.assert_array_equal(made[share == 0], image[share == 0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"linear": True},
        {"range": "stretch"},
        {"alpha": "premultiply"},
        {"channels": "luma"},
        {"range": "raw"},
    ],
    ids=str,
)
def test_nothing_taken_is_the_image_and_all_taken_the_plain_result(dtype, options):
    """Bit for bit, on several threads and blocks, with samples that are not finite, in a chain too."""
    pixels = picture(0, 150, 170, 4, dtype=dtype)
    if pixels.dtype.kind == "f":
        pixels[3, 4], pixels[100, 90, 0] = np.nan, np.inf
    if options.get("alpha") != "premultiply":
        pixels[..., 3] = 7
    mask = np.zeros((150, 170), np.uint16)
    mask[20:50, 60:90] = 65535
    kernels = [get_kernel("gaussian:sigma=1.3"), SHARPEN]
    for chain in (kernels[:1], kernels[1:], kernels):
        plain = filter_pixels(pixels, chain, FilterOptions(**options)).pixels
        kept = pixels.astype(plain.dtype)
        assert (
            filter_pixels(pixels, chain, FilterOptions(mix=0.0, **options)).pixels.tobytes() == kept.tobytes()
        )
        for blend in ({"mask": mask}, {"mask": mask > 0}, {"region": (20, 60, 30, 30)}):
            made = filter_pixels(pixels, chain, FilterOptions(**blend, **options)).pixels
            expected = np.where(mask[..., np.newaxis] > 0, plain, kept)
            assert made.tobytes() == expected.tobytes()
