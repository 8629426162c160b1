"""Kernels that are refused: a message of one line names what is wrong, why, and the remedy."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import npy

from convfilter import Kernel, KernelError, get_kernel, load_kernels
from convfilter.kernels.files import FORMATS


def refusal(function, *arguments):
    with pytest.raises(KernelError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message.splitlines() == [message]
    return message


# What is typed, and the message that it gets.
NAMES = """
sobl => unknown kernel 'sobl' (did you mean 'sobel'? 'convfilter kernels' lists all)
Sobel => unknown kernel 'Sobel' (did you mean 'sobel'? 'convfilter kernels' lists all)
qqqq => unknown kernel 'qqqq' ('convfilter kernels' lists all)
ones(3) => unknown kernel 'ones(3)' (did you mean 'box:3'?
z.npz => z.npz: not a kernel file: its name must end in .toml, .npy,
3/gone.csv => 3/gone.csv: no such file
"""
PARAMETERS = """
sobel:size=3 => 'sobel' takes no parameters
gaussian: => parameters are written gaussian:sigma=VALUE
gaussian:3,sigma=2 => sigma is set twice
gaussian:sigma=3,fwhm=7 => fwhm and sigma cannot be used together
gaussian:sgima=3 => unknown parameter 'sgima' (did you mean 'sigma'?)
gaussian:size=5 => unknown parameter 'size' (did you mean 'sigma'? sigma is about size /
gaussian:=3 => unknown parameter '' (choose from sigma, truncate, fwhm)
gaussian:sigma=٣ => sigma: '٣' is not a number
gaussian:sigma=1e999 => sigma: inf is not a finite number
unsharp:amount=3.5e38 => amount: a number beyond float32
box:size=1,2,3 => size takes one or two numbers
deblur:of=gausian => of: unknown kernel 'gausian' (did you mean
deblur:disk(box(3)) => of: 'disk(box(3))': write a kernel's own
deblur:of=sobel-x => of: 'sobel-x' is not a blur: use a kernel of
deblur:of=disk,radius=3 => unknown parameter 'radius': parameters of the blur follow it in brackets, of=disk(r
gaussian:sigma=-1 => sigma must be from 0.01 to 170, not -1
box:size=3,1024 => size must be from 1 to 1023, not 1024
box:size=2.5 => size must be a whole number, not 2.5
dog:sigma=150 => ratio times sigma must be at most 170, not 240
gaussian:sigma=100,truncate=9 => truncate times sigma must be at most 511, not 900
deblur:box(257) => of: 'box:size=257' is too large
gabor:sigma=0.01,phase=90 => with these parameters all weights are zero
"""
MATRICES = """
0 1 2; 3 x 5 => row 1, column 1: 'x' is not a number
1,,2 => row 0, column 1: '' is not a number
nan 1 => row 0, column 0: 'nan' is not a number
[[1, 2], []] => row 1: empty
[[1, 2], [3]] => row 1 has 1 column, but the first row has 2
[[1, 2], [3, 4] => brackets do not match
[[[1]]] => row 0, column 0: one bracket too many
{1,2,1} => brackets must be square
1 -1 / sum => divisor: the weights sum to zero
1 2 / mean => the divisor 'mean' is neither a number nor 'sum'
1/16 2/16; 1 2 => the divisor '16; 1 2' is neither a number nor 'sum': write one divisor at the end
1/9 1/9; 1/9 1/9 => row 0, column 0: '1/9' is not a number: write whole numbers and one divisor at the end
(1 1; 1 1) / 4 => brackets must be square, or left out: write '1 1 1; 1 1 1; 1 1 1 / 9'
1 2 1, 2 4 2, 1 2 1 => row 0: commas between some numbers, blanks between others: separate rows with ';'
1/9 => a single weight is a factor: write all weights
3x3: 0,-1,0 -1,5,-1 0,-1,0 => rows end with semicolons, and no size is needed: write '0 -1 0; -1 5 -1; 0 -1 0'
"""
TYPED = [
    (spec, start.format(spec) + message)
    for start, table in (("", NAMES), ("kernel '{}': ", PARAMETERS), ("matrix: ", MATRICES))
    for spec, message in (line.split(" => ") for line in table.strip().splitlines())
]
TYPED += [
    ("", "a kernel without a name ('convfilter kernels' lists all)"),
    ("a\nb", "unknown kernel 'a\\nb' ("),
    ("x" * 10**6, f"unknown kernel '{'x' * 77}...' ("),
    (f"1 {'9' * 9999}", "matrix: row 0, column 1: inf is not a finite number"),
    (" ".join("1" * 1024), "matrix: row 0: 1024 columns: the limit is 1023"),
]


@pytest.mark.parametrize(("spec", "message"), TYPED)
def test_what_is_typed_wrong_is_refused_with_the_remedy(spec, message):
    assert refusal(get_kernel, spec).startswith(message)


@settings(deadline=None, max_examples=300)
@given(
    st.from_regex(r"(box|gaussian|motion):[a-z0-9=,.:+ -]{0,20}", fullmatch=True)
    | st.text("0123456789.-+eE ,;\n[]/sumx:()=", max_size=30)
    | st.text()
)
@example("[" * 5000)
@example("1 " + "[],;" * 5000)
@example("gaussian:" + "(" * 5000)
def test_any_text_is_a_kernel_or_a_refusal_of_one_line(text):
    try:
        assert get_kernel(text).weight_count > 0
    except KernelError as error:
        message = str(error)
        assert message.splitlines() == [message]
        assert len(message) < 400


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "box:size=../x"}, "name: names are letters"),
        ({"parts": ()}, "parts: empty"),
        ({"parts": ([1, 2],)}, "parts: row 0: expected a list of columns, got 1"),
        ({"parts": ([[1, 1j]],)}, "parts: row 0, column 1: 1j is not a number"),
        ({"parts": ([[-(10**5000)]],)}, "parts: row 0, column 0: a number beyond float32"),
        ({"combine": "sum"}, "combine: there is only one part"),
        ({"axes": ("column", "row")}, "axes: unknown value 'column,row' (did you mean"),
        ({"axes": "row,column"}, "axes: expected a tuple of names, got 'row,column'"),
        ({"divisors": (1, 1)}, "divisors: 2 divisors for 1 part"),
    ],
)
def test_a_kernel_refuses_what_cannot_be_applied(fields, message):
    assert message in refusal(lambda: Kernel(**{"name": "mine", "parts": ([[1]],), **fields}))


def test_parameters_need_a_generator_that_there_is():
    kernel = Kernel("mine", parts=([[1]],), generator="gausian")
    assert "unknown value 'gausian'" in refusal(get_kernel, "mine:sigma=2", {"mine": kernel})


# The keys of a table, with | for a line break, and the message that they get.
KEYS = """
weights = 3 => weights: expected a list of rows, got 3
weights = [[1, 2], [3]] => weights: row 1 has 1 column, but the first row has 2
weights = [[1, true]] => weights: row 0, column 1: a boolean is not a number
weights = [[1979-05-27]] => weights: row 0, column 0: datetime.date(1979, 5, 27) is not a number
weights = [[[1]]] => axes: missing; lists 3 deep need one of channel,row,column
weights = [[1]] | axes = 'column' => weights: column 0: [1] is not a number
weights = [[1]] | axes = ['row', 'column'] => axes: unknown value ['row', 'column'] (choose from column
summary = 'x' => weights: missing; a kernel has one of weights parts generator
weights = [[1]] | parts = [[[1]]] => parts: cannot be used with weights
parts = 3 | combine = 'sum' => parts: expected a list of tables, got 3
parts = [[[1]], [[1, 2]]] | combine = 'sum' => parts: part 1, row 0 has 2 columns, but the first row has 1
parts = [[[1]], [[2]]] => combine: missing; several parts need one of magnitude
weights = [[1]] | divisor = 0 => divisor: zero
weights = [[1]] | divisor = 1e-300 => divisor: 1e-300 is so small
weights = [[1]] | divisor = 'sun' => divisor: unknown value 'sun' (did you mean 'sum'?)
weights = [[0.1, 0.2, -0.3]] | divisor = 'sum' => divisor: the weights sum to zero
weights = [[3e38, 3e38]] | divisor = 'sum' => divisor: a number beyond float32
weights = [[1]] | summary = 1 => summary: 1 is not a string
weights = [[1]] | offset = '1' => offset: '1' is not a number
weights = [[1]] | range = 'sigend' => range: unknown value 'sigend' (did you mean 'signed'?)
weights = [[1]] | anchor = 1 => anchor: expected [row, column], got 1
weights = [[1, 2]] | anchor = [0, 2] => anchor: there is no column 2: count from 0 to 1
weights = [[1, 2]] | anchor = [0.5, 0] => anchor: there is no row 0.5: count from 0 to 0
generator = 'deblur' | parameters = { of = 3 } => parameters: of: expected the name of a kernel, got 3
wieghts = [[1]] => wieghts: unknown key (did you mean 'weights'?)
generator = 'gausian' => generator: unknown value 'gausian' (did you mean 'gaussian'?)
generator = 'box' | parameters = { size = [1, true] } => parameters: size: a boolean is not a number
generator = 'box' | parameters = 3 => parameters: expected a table of parameters, got 3
generator = 'box' | divisor = 2 => divisor: cannot be used with generator
"""
TABLES = [
    *((f"[mine]\n{keys}".replace(" | ", "\n"), f"[mine] {message}")
      for keys, message in (line.split(" => ") for line in KEYS.strip().splitlines())),
    (f"[mine]\nweights = [[0x{'f' * 9999}]]", "[mine] weights: row 0, column 0: a number beyond float32"),
    (
        f"[mine]\nweights = {[[[0]]] * 1024}\naxes = 'channel,row,column'",
        "[mine] weights: 1024 channels: the limit is 1023",
    ),
    (f"[mine]\nweights = {'[' * 90}1{']' * 90}", "[mine] axes: missing; lists 90 deep need"),
    ('[mine]\n"a\\nb" = 1', "[mine] a\\nb: unknown key"),
    ("[mine.v2]\nweights = [[1]]", "[mine] v2: unknown key; a name with a dot is written in quotes"),
    ("weights = [[1]]", "[weights] table: expected a table, got [[1]]"),
    ('["é\\n"]\nweights = [[1]]', "[é\\n] name: names are letters"),
    ("[good]\nweights = [1]\n[bad]\nweights = [[]]\n[fine]\nweights = [1]", "[bad] weights: row 0: empty"),
    (f"[{'a' * 65}]\nweights = [[1]]", f"[{'a' * 65}] name: names are letters"),
    # Whatever the parser meets is one line.
    ("[mine\n", "Expected"),
    ("[mine]\nweights = [[1]]\nweights = [[1]]", "Cannot overwrite a value"),
    (b"\xff\xfe", "holds no text"),
    ("a = " + "[" * 100_000, "tables nested too deeply"),
    ("\n" + ".".join("a" * 50_000) + " = 1", "line 2: a key of more than 16 parts"),
    ("[" + " . ".join(['"a"'] * 50_000) + "]", "line 1: a key of more than 16 parts"),
    ("a = 1" + "0" * 5000, "Exceeds the limit"),
    ("a = 9999-99-99", ""),
    *((line * (2**20 // len(line)), "") for line in (b"a" * 99 + b" ", b"'", b".a" * 16 + b"\n", b"- ")),
    ("#" * (2**20 + 1), "larger than 1 MiB"),
]  # fmt: skip


WRONG = [
    *(("my.toml", content, message) for content, message in TABLES),
    ("k.csv", "1;2\n3;4", "row 0, column 0: '1;2' is not a number: separate numbers by commas or"),
    ("k.txt", "", "empty"),
    ("k.mat", "3 3\n1 2 3\n", "the first line says 3x3, width x height, but below it: 1 row of 3 numbers"),
    ("k.mat", "1 2 3 4 5\n1", "the first line must be: width height [scale [offset]]"),
    ("k.mat", "2 1 0\n1 2\n", "scale: zero"),
    ("k.mat", b"MATLAB 5.0 MAT-file", "a file of MATLAB, not of libvips"),
    ("k.npy", npy([[1, 2]])[:-1], "unusable .npy data"),
    ("k.npy", npy(np.array([[1, "x"]], object)), "unusable .npy data ('Object arrays cannot be loaded"),
    ("k.npy", npy([[True]]), "row 0, column 0: a boolean is not a number"),
    ("k.npy", npy(np.ones((3, 3, 3))), "an array of float64 and shape (3, 3, 3) is not a kernel"),
    ("k.csv", b"1 " * 2**20, "larger than 1 MiB"),
]


@pytest.mark.parametrize(("name", "content", "message"), WRONG)
def test_a_wrong_file_is_refused_with_its_name_and_the_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refusal(load_kernels, path).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./none.toml", r"^\./none\.toml: no such file$"),  # named as it was given
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


WORDS = st.sampled_from(["box", "gabor", "sum", "maximum", "column", "row,column", "clip"])
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.floats() | WORDS | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=12,
)
SHIPPED = load_kernels().keys()
KEYS_OF_TABLES = ["weights", "parts", "generator", "parameters.size", "parameters.sigma", "combine", "axes"]
KEYS_OF_TABLES += ["divisor", "offset", "range", "anchor"]


def as_toml(table):
    """JSON is TOML here, but for what is not finite."""
    lines = ["[mine]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines).replace("NaN", "nan").replace("Infinity", "inf").encode(errors="surrogatepass")


@settings(deadline=None, max_examples=120)
@given(
    extension=st.sampled_from([*FORMATS, ""]),
    content=st.binary(max_size=60) | st.text("[]{}=.,\"'\n\\ab1e-+#:_").map(str.encode),
    cut=st.integers(0, 140),
    table=st.dictionaries(st.sampled_from(KEYS_OF_TABLES), VALUES, max_size=4),
)
@example(extension="", content=b"", cut=0, table={"weights": [[10**400]]})
def test_any_bytes_and_tables_are_kernels_or_a_refusal_of_one_line(
    tmp_path_factory, extension, content, cut, table
):
    folder = tmp_path_factory.getbasetemp()
    for name, data in (
        (f"any{extension}", content),
        (f"any{extension}", npy([[1.0, 2.0]])[:cut] + content),
        ("table.toml", as_toml(table)),
    ):
        (folder / name).write_bytes(data)
        try:
            kernels = load_kernels(folder / name)
        except KernelError as error:
            message = str(error)
            assert message.splitlines() == [message]
        else:
            assert all(kernels[own].weight_count > 0 for own in kernels.keys() - SHIPPED)
