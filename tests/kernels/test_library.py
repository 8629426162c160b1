"""Kernel files: what they may say, how errors in them are reported, and what reading them costs."""

import json
import math
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import convfilter
from convfilter import KernelError, load_kernels


@pytest.fixture
def kernel_file(tmp_path):
    """Write a kernel file and return its path as a string."""

    def write(content):
        path = tmp_path / "my.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def refusal(path):
    with pytest.raises(KernelError) as caught:
        load_kernels(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.splitlines() == [message]
    return message.removeprefix(f"{path}: ")


# ---- What a file may say ------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "axes", "shape"),
    [
        ("weights = [1, 2, 3]", "column", (3,)),
        ("weights = [[1, 2, 3]]", "row,column", (1, 3)),
        ("parts = [[1, 2], [3, 4]]\ncombine = 'sum'", "column", (2,)),
        ("parts = [[[1, 2]]]", "row,column", (1, 2)),
        ("weights = [[1, 2]]\naxes = 'row,column'", "row,column", (1, 2)),
        ("weights = [[[1, 2]]]\naxes = 'channel,row,column'", "channel,row,column", (1, 1, 2)),
        ("weights = [[[1, 2]]]\naxes = 'frame,row,column'", "frame,row,column", (1, 1, 2)),
        ("weights = [[[[1]]]]\naxes = 'output,channel,row,column'", "output,channel,row,column", (1,) * 4),
    ],
)
def test_axes_are_stated_or_follow_from_the_depth(kernel_file, table, axes, shape):
    kernel = load_kernels(kernel_file(f"[mine]\n{table}"))["mine"]
    assert ",".join(kernel.axes) == axes
    assert kernel.shape == shape


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


# ---- What it may not ------------------------------------------------------------

# The keys of a table, with | for a line break, and the message that they get.
BAD_KEYS = """
weights = [] => weights: empty
weights = [] | axes = 'row,column' => weights: empty
weights = 3 => weights: a number where a list of numbers belongs
weights = [[1, 2], [3]] => weights: row 1: ragged, 1 columns where the first has 2
weights = [[1, true]] => weights: row 0, column 1: a boolean is not a number
weights = [[1979-05-27]] => weights: row 0, column 0: a date is not a number
weights = [[1e999]] => weights: row 0, column 0: inf is not a finite number
weights = [[[1]]] => axes: missing; lists 3 deep need one of channel,row,column
weights = [[1]] | axes = 'column' => weights: column 0: a list is not a number
weights = [[1]] | axes = 'row, column' => axes: unknown value 'row, column' (did you mean 'row,column'?)
weights = [[1]] | axes = ['row', 'column'] => axes: a list where one of column row,column
summary = 'x' => weights: missing; a kernel has one of weights parts generator
weights = [[1]] | parts = [[[1]]] => parts: cannot be used with weights
weights = [[1]] | generator = 'box' => generator: cannot be used with weights
parts = 3 | combine = 'sum' => parts: a number where a list of tables belongs
parts = [[[1]], [[1, 2]]] | combine = 'sum' => parts: part 1, row 0: ragged, 2 columns where the first has 1
parts = [[[1]], [[2]]] => combine: missing; several parts need one of magnitude
weights = [[1]] | combine = 'sum' => combine: cannot be used with weights
parts = [[[1]], [[2]]] | combine = 'magnitud' => combine: unknown value 'magnitud' (did you mean 'magnitude'?)
weights = [[1]] | divisor = 0 => divisor: zero
weights = [[1]] | divisor = 1e-300 => divisor: 1e-300 is so small
weights = [[1]] | divisor = 'sun' => divisor: unknown value 'sun' (did you mean 'sum'?)
weights = [[0.1, 0.2, -0.3]] | divisor = 'sum' => divisor: the weights sum to zero
parts = [[[1]], [[0]]] | combine = 'sum' | divisor = 'sum' => divisor: the weights sum to zero
weights = [[3e38, 3e38]] | divisor = 'sum' => divisor: a number beyond float32
weights = [[1]] | offset = '1' => offset: a string is not a number
weights = [[1]] | range = 'sigend' => range: unknown value 'sigend' (did you mean 'signed'?)
weights = [[1]] | anchor = 1 => anchor: 1 where [row, column] belongs
weights = [[1, 2]] | anchor = [0, 2] => anchor: there is no column 2: count from 0 to 1
weights = [[1, 2]] | anchor = [0.5, 0] => anchor: there is no row 0.5: count from 0 to 0
weights = [[1, 2]] | anchor = [true, 0] => anchor: a boolean is not a number
generator = 'deblur' | parameters = { of = 3 } => parameters: of: a number where the name of a kernel belongs
wieghts = [[1]] => wieghts: unknown key (did you mean 'weights'?)
zzz = 1 => zzz: unknown key (choose from weights, parts, generator
generator = 'gausian' => generator: unknown value 'gausian' (did you mean 'gaussian'?)
generator = 'gaussian' | parameters = { sgima = 1 } => parameters: unknown parameter 'sgima' (did you mean
generator = 'gaussian' | parameters = { sigma = 0 } => parameters: sigma must be from 0.01 to 170.333, not 0
generator = 'box' | parameters = { size = [1, true] } => parameters: size: a boolean is not a number
generator = 'box' | parameters = 3 => parameters: a number where a table of parameters belongs
generator = 'unsharp' | parameters = { amount = 3.4e38 } | range = 'bogus' => range: unknown value 'bogus'
weights = [[1]] | parameters = {} => parameters: cannot be used with weights
generator = 'box' | divisor = 2 => divisor: cannot be used with generator
"""
BAD_TABLES = [
    *((f"[mine]\n{keys}".replace(" | ", "\n"), f"[mine] {message}")
      for keys, message in (line.split(" => ") for line in BAD_KEYS.strip().splitlines())),
    (f"[mine]\nweights = [[0x{'f' * 9999}]]", "[mine] weights: row 0, column 0: a number beyond float32"),
    (
        f"[mine]\nweights = {[[[0]]] * 1024}\naxes = 'channel,row,column'",
        "[mine] weights: 1024 channels, at most 1023 can be used",
    ),
    (f"[mine]\nweights = {'[' * 90}1{']' * 90}", "[mine] axes: missing; lists 6 deep need"),
    ('[mine]\n"a\\nb" = 1', "[mine] a\\nb: unknown key"),
    (
        "[mine.v2]\nweights = [[1]]",
        '[mine] v2: unknown key; a name with a dot is written in quotes: ["mine.v2"]',
    ),
    ("weights = [[1]]", "[weights] table: a list where a table of keys belongs"),
    ("[[mine]]\nweights = [[1]]", "[mine] table: a list where a table of keys belongs"),
    ('["my kernel"]\nweights = [[1]]', "[my kernel] name: names are letters, digits and _.+-"),
    ('[""]\nweights = [[1]]', "[] name: names are letters"),
    ('["é\\n"]\nweights = [[1]]', "[é\\n] name: names are letters"),
    ("[good]\nweights = [1]\n[bad]\nweights = [[]]\n[fine]\nweights = [1]", "[bad] weights: row 0: empty"),
    (f"[{'a' * 65}]\nweights = [[1]]", f"[{'a' * 65}] name: names are letters"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BAD_TABLES)
def test_a_bad_table_is_refused_with_its_key_and_the_reason(kernel_file, content, message):
    assert refusal(kernel_file(content)).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[mine\n", "Expected"),
        (b"[mine]\nweights = [[1]]\nweights = [[1]]", "Cannot overwrite a value"),
        (b"\xff\xfe", "holds no text"),
        (b"a = " + b"[" * 100_000, "tables nested too deeply"),
        (b"\n" + b".".join([b"a"] * 50_000) + b" = 1", "line 2: a key of more than 16 parts"),
        (b"[" + b" . ".join([b'"a"'] * 50_000) + b"]", "line 1: a key of more than 16 parts"),
        (b"a = 1" + b"0" * 5000, "Exceeds the limit"),
        (b"a = '\n'", ""),
        (b"a = 9999-99-99", ""),
        (b"#" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_whatever_the_parser_meets_is_told_in_one_line(kernel_file, content, message):
    assert refusal(kernel_file(content)).startswith(message)


@pytest.mark.parametrize("line", [b"a" * 99 + b" ", b"'", b"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a\n", b"- "])
def test_looking_for_long_keys_takes_linear_time(kernel_file, line):
    content = line * (2**20 // len(line))
    start = time.process_time()
    refusal(kernel_file(content))
    assert time.process_time() - start < 10  # measured: below 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./none.toml", r"^\./none\.toml: No such file or directory$"),  # named as it was given
        ("folder", "^folder: neither a regular file nor a pipe$"),
        ("/dev/zero", "^/dev/zero: neither a regular file nor a pipe$"),
        ("a\0b", r"^a\\x00b: .*embedded null"),
        (Path("a\nb.toml"), r"^a\\nb\.toml: \[mine\] weights: missing"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a\nb.toml").write_text("[mine]")
    with pytest.raises(KernelError, match=message):
        load_kernels(name)


TOML_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
LIKELY_VALUES = {
    "weights": st.lists(st.lists(st.integers(-9, 9) | st.floats(), max_size=3), max_size=3),
    "parts": st.lists(st.lists(st.lists(st.integers(-9, 9), max_size=2), max_size=2), max_size=3),
    "generator": st.sampled_from(["box", "gaussian", "gabor", "motion", "dog"]),
    "parameters": st.dictionaries(
        st.sampled_from(["size", "sigma", "ratio", "length", "phase"]),
        st.floats(-5, 5) | st.sampled_from([1e-300, 1e300, -0.0]) | TOML_VALUES,
        max_size=2,
    ),
    "combine": st.sampled_from(["sum", "maximum"]),
    "axes": st.sampled_from(["column", "row,column", "channel,row,column", "row"]),
    "divisor": st.just("sum") | st.floats(),
    "offset": st.floats(),
    "range": st.sampled_from(["clip", "absolute"]),
    "summary": st.text(),
}
TABLES = st.fixed_dictionaries({}, optional={k: v | TOML_VALUES for k, v in LIKELY_VALUES.items()})


def toml(value):
    """A value as TOML; JSON has the same strings and lists."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return json.dumps(value) if isinstance(value, bool | str) else str(value)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("any") / "any.toml"


def loaded_unless_refused(path, content):
    """Return the library of a file, or None for a KernelError of one line; others pass through."""
    path.write_bytes(content)
    try:
        return load_kernels(path)
    except KernelError as error:
        message = str(error)
    assert message.splitlines() == [message]
    return None


@settings(deadline=None, max_examples=80)
@given(name=st.just("mine") | st.text(), table=TABLES | TOML_VALUES)
@example(name="mine", table={"weights": [[10**400]]})
def test_any_table_is_a_kernel_or_a_kernel_error_of_one_line(scratch, name, table):
    content = f"{json.dumps(name)} = {toml(table)}".encode(errors="surrogatepass")
    kernels = loaded_unless_refused(scratch, content)
    if kernels is not None:
        kernel = kernels[name]
        assert all(len(part) == kernel.shape[0] for part in kernel.parts)
        assert all(abs(divisor) > 0 for divisor in kernel.divisors)


@settings(deadline=None, max_examples=80)
@given(content=st.binary() | st.text(alphabet="[]{}=.,\"'\n\\ab1e-+#:_").map(str.encode))
def test_any_bytes_are_a_library_or_a_kernel_error_of_one_line(scratch, content):
    kernels = loaded_unless_refused(scratch, content)
    assert kernels is None or "sobel" in kernels


# ---- Where the shipped ones are, and what looking them up costs -------------------

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
        assert all(getattr(kernel, each.name) == getattr(shipped, each.name) for each in fields(kernel)), name


def test_kernels_are_made_on_first_use_and_numpy_is_imported_for_arrays_only():
    code = """
made, check = [], convfilter.Kernel.__post_init__
convfilter.Kernel.__post_init__ = lambda self: (check(self), made.append(self.name))
kernels = convfilter.load_kernels()
print(len(kernels) > 30, "sobel" in kernels, made)
convfilter.get_kernel("gaussian:sigma=2").is_zero_sum
print(made, "numpy" in sys.modules)
kernels["sobel"].arrays()
print("numpy" in sys.modules)
"""
    assert run(code).splitlines() == ["True True []", "['gaussian', 'gaussian:sigma=2'] False", "True"]
