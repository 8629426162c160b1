"""Kernels by name, with parameters."""

import pytest

from convfilter import Kernel, KernelError, get_kernel, load_kernels


def test_a_name_without_parameters_is_the_kernel_itself():
    assert get_kernel("sobel") is load_kernels()["sobel"]
    assert get_kernel(load_kernels()["sobel"]) is get_kernel("sobel")


@pytest.mark.parametrize(("spec", "name", "parameters"), [
    ("gaussian:sigma=3.0", "gaussian:sigma=3.0", {"sigma": 3, "truncate": 3}),
    ("motion:2,angle=.5", "motion:length=2,angle=.5", {"length": 2, "angle": 0.5}),
    (" unsharp : sigma = 2 , amount = -.5 ", "unsharp:sigma=2,amount=-.5", {"sigma": 2, "amount": -0.5}),
    ("box:5,3", "box:size=5,3", {"size": (5, 3)}),
    ("deblur:disk(2), size=9", "deblur:of=disk(radius=2),size=9",
     {"of": "disk(radius=2)", "size": 9, "noise": 0.01}),
])  # fmt: skip
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
