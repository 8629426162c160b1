"""Kernel files: what they may say, and what looking up the shipped ones costs."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import convfilter
from convfilter import Kernel, KernelError, get_kernel, load_kernels


@pytest.fixture
def kernel_file(tmp_path):
    """Write a kernel file and return its path as a string."""

    def write(content):
        path = tmp_path / "my.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(("table", "axes", "shape"), [
    ("weights = [1, 2, 3]", "column", (3,)),
    ("weights = [[1, 2, 3]]", "row,column", (1, 3)),
    ("parts = [[1, 2], [3, 4]]\ncombine = 'sum'", "column", (2,)),
    ("parts = [[[1, 2]]]", "row,column", (1, 2)),
    ("weights = [[[1, 2]]]\naxes = 'frame,row,column'", "frame,row,column", (1, 1, 2)),
])  # fmt: skip
def test_axes_are_stated_or_follow_from_the_depth(kernel_file, table, axes, shape):
    kernel = load_kernels(kernel_file(f"[mine]\n{table}"))["mine"]
    assert (",".join(kernel.axes), kernel.shape) == (axes, shape)


def test_every_key_reaches_the_kernel(kernel_file):
    path = kernel_file("""
        [mine]
        summary = "what"
        source = "whence"
        parts = [[[1, 2]], [[3, 4.5]]]
        combine = "maximum"
        axes = "row,column"
        divisor = -2
        offset = 0.5
        range = "raw"
        [made]
        generator = "box"
        parameters = { size = [5, 3] }
        offset = 1
        range = "signed"
    """)
    mine, made = (load_kernels(path)[name] for name in ("mine", "made"))
    assert (mine.name, mine.summary, mine.source) == ("mine", "what", "whence")
    assert mine.parts == (((1, 2),), ((3, 4.5),))
    assert (mine.combine, mine.divisors, mine.offset, mine.range) == ("maximum", (-2, -2), 0.5, "raw")
    assert (made.width, made.height, made.divisors) == (5, 3, (15,))
    assert (made.offset, made.range, made.parameters["size"]) == (1.0, "signed", (5, 3))


def test_the_sum_divisor_is_each_parts_own_sum(kernel_file):
    parts = "[[[1, 2]], [[0.5, 0.25]], [[10000000, -9999999]]]"  # an integer sum may be small
    path = kernel_file(f"[mine]\nparts = {parts}\ncombine = 'sum'\ndivisor = 'sum'")
    assert load_kernels(path)["mine"].divisors == (3, 0.75, 1)


def test_a_table_replaces_the_shipped_one_of_its_name_whole(kernel_file):
    shipped = load_kernels()
    kernels = load_kernels(kernel_file(b"\xef\xbb\xbf[mine]\r\nweights = [[1]]\r\n[sobel]\nweights = [[7]]"))
    assert list(kernels) == [*shipped, "mine"]
    assert kernels["sobel"].parts == (((7,),),)
    assert (kernels["sobel"].combine, kernels["sobel"].summary) == (None, "")
    assert kernels["blur"] is shipped["blur"]


def test_the_mapping_is_read_only(kernel_file):
    kernels = load_kernels(kernel_file(b"#" * 2**20))  # as large as a file may be
    assert list(kernels) == list(load_kernels())
    assert len(kernels) == len(list(kernels))
    with pytest.raises(TypeError):
        kernels["mine"] = kernels["sobel"]
    with pytest.raises(KeyError):
        kernels["mine"]
    assert 3 not in kernels


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


def test_an_unknown_name_is_answered_with_those_in_the_files(tmp_path):
    (tmp_path / "l9.toml").write_text("[learned]\nweights = [[1]]")
    with pytest.raises(KernelError, match=r"unknown kernel 'l9' \(.*l9\.toml holds 'learned'; 'convfilter"):
        get_kernel("l9", load_kernels(tmp_path / "l9.toml"))


SHIPPED = Path(convfilter.__file__).parent.parent / "kernels.toml"


def run(code, folder=SHIPPED.parent):
    """Run code with the package of a folder and return the words that it prints."""
    program = f"import sys\nsys.path.insert(0, {str(folder)!r})\nimport convfilter\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_the_shipped_file_is_sought_in_the_package_before_beside_it(tmp_path):
    shutil.copytree(SHIPPED.parent / "convfilter", tmp_path / "convfilter")
    show = """
try:
    print(*convfilter.load_kernels())
except convfilter.KernelError as error:
    print(error)
"""
    assert "kernels.toml is neither in" in run(show, tmp_path)
    (tmp_path / "kernels.toml").write_text("[beside]\nweights = [1]")
    assert run(show, tmp_path) == "beside\n"
    (tmp_path / "convfilter" / "kernels.toml").write_text("[inside]\nweights = [1]")
    assert run(show, tmp_path) == "inside\n"


def test_the_shipped_file_is_plain_toml_read_as_any_other():
    with SHIPPED.open("rb") as stream:
        assert list(tomllib.load(stream)) == list(load_kernels())
    for name, kernel in load_kernels(SHIPPED).items():
        shipped = load_kernels()[name]
        assert kernel.__getstate__() == shipped.__getstate__(), name


def test_kernels_are_made_on_first_use_and_numpy_is_imported_for_arrays_only():
    code = """
made, make = [], convfilter.Kernel.__init__
convfilter.Kernel.__init__ = lambda self, name, **fields: make(self, name, **fields) or made.append(name)
kernels = convfilter.load_kernels()
print(len(kernels) > 30, "sobel" in kernels, made)
convfilter.get_kernel("gaussian:sigma=2").is_zero_sum
print(made, "numpy" in sys.modules)
kernels["sobel"].arrays()
print("numpy" in sys.modules)
"""
    assert run(code).splitlines() == ["True True []", "['gaussian', 'gaussian:sigma=2'] False", "True"]
