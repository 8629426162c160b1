"""The backward pass in plain numbers: every sum is what it says, and the gradients are the engine's."""

import json
import re

import numpy as np
import pytest
from samples import load

import convfilter as cf

BORDERS = ("edge", "symmetric", "reflect", "wrap", "zero", "constant")
SEED = ["--values", "1 2 3 4 5", "--weights", "10 20 30", "--upstream", "1 -1 2", "--padding", "valid"]


def test_the_derivative_of_a_convolution_is_written_out(quick):
    out = quick("explain", *SEED).out
    assert out.startswith("numbers   weights 3x1, padding valid\n\nthe input x\n  1  2  3  4  5\n")
    assert (
        "dL/dx3 = d1*w3 + d2*w2 + d3*w1 = 1*30 + (-1)*20 + 2*10 = 30 - 20 + 20 = 30\n"
        "dL/dx4 = d2*w3 + d3*w2 = (-1)*30 + 2*20 = -30 + 40 = 10\n"
        "dL/dx5 = d3*w3 = 2*30 = 60\n\ndL/dx\n  10  10  30  10  60\n"
    ) in out
    assert "dL/dw1 = d1*x1 + d2*x2 + d3*x3 = 1*1 + (-1)*2 + 2*3 = 1 - 2 + 6 = 5\n" in out
    assert out.endswith("\ndL/dw\n  5  7  9\n")


def rows_of(array):
    return "; ".join(" ".join(map(str, row)) for row in array.tolist())


def random_case(seed):
    """Numbers, weights, a derivative by each output, options, and the same as arguments of the command."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    whole, (height, width) = pick(True, True, False), rng.integers(1, 6, 2)
    sizes = pick((1, 2 * width), (height, 1), (height, width), (height + 2, width))
    sides = tuple(min(size, int(side)) for size, side in zip(sizes, rng.integers(1, 4, 2), strict=True))
    options = {
        "padding": pick("same", "valid", "full", "same-upper", 1, (0, 2)), "border": pick(*BORDERS),
        "fill": 2, "stride": pick(1, 2, (2, 3)), "dilation": pick(1, 1, 2, (1, 3)),
    }  # fmt: skip
    shape = cf.output_shape(sizes, sides, **{key: options[key] for key in ("padding", "stride", "dilation")})
    x, w, d = (rng.integers(-9, 10, each) / (1 if whole else 2) for each in (sizes, sides, shape))
    if whole:
        x, w, d = (each.astype(int) for each in (x, w, d))
    arguments = ["--values", rows_of(x), "--weights", rows_of(w), "--upstream", rows_of(d)]
    for name, value in options.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else value
        if name != "fill":
            arguments += [f"--{name}", "constant=2" if text == "constant" else text]
    return (x, w, d), options, arguments, pick(False, False, True)


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_gradients_are_the_engines_and_every_sum_is_what_it_says(quick, first):
    shown = 0
    for seed in range(first, first + 40):
        try:
            (x, w, d), options, arguments, flip = random_case(seed)
        except cf.ShapeError:
            continue
        ran = quick("explain", *arguments, "--json", *["--flip"] * flip)
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert found["upstream"] == d.tolist()
        turned = w[::-1, ::-1] if flip else w
        by_kernel = cf.kernel_gradient(x, d, w.shape, **options)
        assert found["kernel_gradient"] == (by_kernel[::-1, ::-1] if flip else by_kernel).tolist()
        assert found["input_gradient"] == cf.input_gradient(d, turned, x.shape, **options).tolist()
        for step in (*found["samples"], *found["weights"]):
            for side in step["formula"].split(" = "):
                if "..." not in side:
                    assert evaluated(side or "0", x, w, d) == step["value"], step
                    shown += 1
    assert shown > 500


def evaluated(side, x, w, d):
    """The value of a sum in numbers, or in symbols such as x[0,1] or x2."""
    side = re.sub(r"([xwd])\[(\d+,\d+)\]|([xwd])(\d+)", r"\1\3(\2\4)", side)
    arrays = {"x": x, "w": w, "d": d}
    symbols = {
        name: lambda *place, array=array: array[place] if len(place) == 2 else array.ravel()[place[0] - 1]
        for name, array in arrays.items()
    }
    return eval(re.sub(r"[\[\]]", "", side), symbols)  # brackets mark the border


def test_kernels_with_a_divisor_and_samples_that_no_output_uses(quick):
    upstream = ["--upstream", "4 -2", "--stride", "3", "--padding", "valid"]
    out = quick("explain", "--values", "1 2 3 4 5 6 7", "-k", "1 2 / 4", *upstream).out
    assert "dL/dx2 = d1*w2 / 4 = 4*2 / 4 = 2\n" in out
    assert "dL/dx3 = 0   (no output uses it)\n" in out
    assert "dL/dw1 = (d1*x1 + d2*x4) / 4 = (4*1 + (-2)*4) / 4 = (4 - 8) / 4 = -1\n" in out


def test_long_sums_are_wrapped_or_cut_and_the_border_is_marked(quick):
    numbers = rows_of(np.arange(64).reshape(8, 8))
    out = quick("explain", "--values", numbers, "-k", "box:size=5", "--upstream", numbers).out
    assert max(map(len, out.splitlines())) <= 80
    assert "\n           = (0*1 + 0*1 + " in out
    assert " + ... + " in out
    assert not re.search(" [-+*/=]$", out, re.MULTILINE)
    assert out.endswith("\n[in brackets: made by the border]\n")
    assert "brackets" not in quick("explain", *SEED).out
    out = quick("explain", "--values", "1 2; 3 4", "--weights", "1 1", "--upstream", "1 2; 3 4").out
    assert "dL/dw[0,1] = d[0,0]*x[0,1] + d[0,1]*[x[0,1]] + d[1,0]*x[1,1] + d[1,1]*[x[1,1]]\n" in out


def test_the_backward_pass_is_drawn(quick, tmp_path):
    ran = quick("explain", *SEED, "-o", "drawn.png")
    assert (ran.code, ran.complaints) == (0, ["convfilter: drawn to drawn.png"])
    drawn = load(tmp_path / "drawn.png")
    # Eleven cells that go in and eight that come out, below them eight sums in lines of 26.
    assert drawn.shape[0] == 2 * (28 + 26 + 45) + 8 * 26 + 2 * 28
    assert drawn[28 + 26 + 20, 28 + 20].tolist() == drawn[28 + 26 + 5, 28 + 5].tolist()
