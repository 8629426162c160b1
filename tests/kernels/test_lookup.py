"""Kernels by name, with parameters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convfilter import Kernel, KernelError, get_kernel, load_kernels


def test_a_name_without_parameters_is_the_kernel_itself():
    assert get_kernel("sobel") is load_kernels()["sobel"]
    assert get_kernel(load_kernels()["sobel"]) is get_kernel("sobel")


@pytest.mark.parametrize(
    ("spec", "name", "parameters"),
    [
        ("gaussian:sigma=3.0", "gaussian:sigma=3.0", {"sigma": 3, "truncate": 3}),
        ("motion:2,angle=.5", "motion:length=2,angle=.5", {"length": 2, "angle": 0.5}),
        ("unsharp:amount=-0.5", "unsharp:amount=-0.5", {"sigma": 1, "amount": -0.5}),
        (
            " unsharp : sigma = 2 , amount = 0.5 ",
            "unsharp:sigma=2,amount=0.5",
            {"sigma": 2, "amount": 0.5},
        ),
        ("box:5,3", "box:size=5,3", {"size": (5, 3)}),
        (
            "deblur:disk(2), size=9",
            "deblur:of=disk(radius=2),size=9",
            {"of": "disk(radius=2)", "size": 9, "noise": 0.01},
        ),
    ],
)
def test_parameters_that_were_given_are_in_the_name_and_all_are_in_force(spec, name, parameters):
    kernel = get_kernel(spec)
    assert kernel.name == name
    assert kernel.parameters == parameters


def test_a_kernel_with_parameters_keeps_what_its_table_says(tmp_path):
    table = "generator = 'unsharp'\nparameters = { amount = 3 }\nrange = 'raw'\noffset = 0.25\nsummary = 's'"
    (tmp_path / "my.toml").write_text(f"[mine]\n{table}")
    kernel = get_kernel("mine:sigma=2", load_kernels(tmp_path / "my.toml"))
    assert kernel.parameters == {"sigma": 2, "amount": 3}
    assert (kernel.range, kernel.offset, kernel.summary) == ("raw", 0.25, "s")
    assert kernel.parts == get_kernel("unsharp:sigma=2,amount=3").parts


def test_any_mapping_of_kernels_can_be_looked_into():
    mine = Kernel("mine", parts=([[1]],))
    assert get_kernel("mine", {"mine": mine}) is mine
    with pytest.raises(KernelError, match="unknown kernel 'sobel'"):
        get_kernel("sobel", {"mine": mine})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sobl", "unknown kernel 'sobl' (did you mean 'sobel'? 'convfilter kernels' lists all)"),
        ("Sobel", "unknown kernel 'Sobel' (did you mean 'sobel'? 'convfilter kernels' lists all)"),
        ("qqqq", "unknown kernel 'qqqq' ('convfilter kernels' lists all)"),
        ("a\nb", "unknown kernel 'a\\nb' ("),
        ("x" * 10**6, f"unknown kernel '{'x' * 77}...' ("),
        ("sobel:size=3", "kernel 'sobel:size=3': 'sobel' takes no parameters"),
        ("gaussian:", "kernel 'gaussian:': parameters are written gaussian:sigma=VALUE"),
        ("gaussian:3,sigma=2", "kernel 'gaussian:3,sigma=2': sigma is set twice"),
        (
            "gaussian:sigma=3,fwhm=7",
            "kernel 'gaussian:sigma=3,fwhm=7': fwhm and sigma say the same",
        ),
        ("deblur:of=gausian", "kernel 'deblur:of=gausian': of: unknown kernel 'gausian' (did you mean"),
        ("deblur:disk(box(3))", "kernel 'deblur:disk(box(3))': of: 'disk(box(3))': write a kernel's own"),
        ("deblur:of=sobel-x", "kernel 'deblur:of=sobel-x': of: 'sobel-x' is not a blur: take a kernel of"),
        ("gaussian:sgima=3", "kernel 'gaussian:sgima=3': unknown parameter 'sgima' (did you mean 'sigma'?)"),
        (
            "gaussian:size=5",
            "kernel 'gaussian:size=5': unknown parameter 'size' (did you mean 'sigma'? sigma is about size /",
        ),
        (
            "deblur:of=disk,radius=3",
            "kernel 'deblur:of=disk,radius=3': unknown parameter 'radius': parameters of the blur follow it "
            "in brackets, of=disk(radius=3)",
        ),
        ("deblur:sigma=3", "kernel 'deblur:sigma=3': unknown parameter 'sigma': parameters of the blur"),
        ("", "a kernel without a name ('convfilter kernels' lists all)"),
        ("ones(3)", "unknown kernel 'ones(3)' (did you mean 'box:3'?"),
        ("z.npz", "z.npz: not a kernel file: its name must end in .toml, .npy,"),
        ("3/gone.csv", "3/gone.csv: No such file"),
        ("gaussian:=3", "kernel 'gaussian:=3': unknown parameter '' (choose from sigma, truncate, fwhm)"),
        ("gaussian:sigma=", "kernel 'gaussian:sigma=': sigma: '' is not a number"),
        ("gaussian:sigma=nan", "kernel 'gaussian:sigma=nan': sigma: 'nan' is not a number"),
        ("gaussian:sigma=1_0", "kernel 'gaussian:sigma=1_0': sigma: '1_0' is not a number"),
        ("gaussian:sigma=٣", "kernel 'gaussian:sigma=٣': sigma: '٣' is not a number"),
        ("gaussian:sigma=1e999", "kernel 'gaussian:sigma=1e999': sigma: inf is not a finite number"),
        ("gaussian:sigma=0", "kernel 'gaussian:sigma=0': sigma must be from 0.01 to 170.333, not 0"),
        ("disk:radius=1,2", "kernel 'disk:radius=1,2': radius takes one number"),
        ("gaussian:sigma=1,sigma=2", "kernel 'gaussian:sigma=1,sigma=2': sigma is set twice"),
        ("box:size=3,", "kernel 'box:size=3,': size: '' is not a number"),
        ("box:size=5x3", "kernel 'box:size=5x3': size: '5x3' is not a number"),
        ("box:size=1,2,3", "kernel 'box:size=1,2,3': size takes one or two numbers"),
        ("unsharp:amount=3.5e38", "kernel 'unsharp:amount=3.5e38': amount: a number beyond float32"),
    ],
)
def test_a_wrong_name_or_parameter_is_told_in_one_line_with_the_mend(spec, message):
    with pytest.raises(KernelError) as caught:
        get_kernel(spec)
    assert str(caught.value).startswith(message)
    assert str(caught.value).splitlines() == [str(caught.value)]


@settings(deadline=None, max_examples=300)
@given(spec=st.text() | st.from_regex(r"(box|gaussian|motion):[a-z0-9=,.:+ -]{0,20}", fullmatch=True))
def test_any_name_is_a_kernel_or_a_kernel_error_of_one_line(spec):
    try:
        assert get_kernel(spec).weight_count > 0
        return
    except KernelError as error:
        message = str(error)
    assert message.splitlines() == [message]
