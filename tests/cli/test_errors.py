"""What is refused: exit codes, one line a fault, nothing written, no traceback."""

import os
import re
import shlex
import sys

import numpy as np
import pytest
from samples import animate, colour, grey, load, save, tree

from convfilter import get_kernel

# What is typed, and with an arrow, what the message says: words, with & between them.
WRONG = {
    2: """
apply -k sobel
apply a.png -k sobel --border constant
apply a.png -k sobel --border constant=nan => '--border': 'constant=nan': use constant=V with V a fraction of
apply a.png -k sobel --threshold=-1 => '--threshold': '-1' is not a threshold: use a fraction of full scale
apply a.png -k sobel --threshold inf => 'inf' is not a threshold
apply a.png -k sobel --depth 12 => '12' is not one of 8, 16, float (did you mean '16'?)
apply a.png -k sobel --border edge=3 => takes no value
apply a.png -k sobel --border valid => is a padding: use --padding valid
apply a.png -k sobel --mix half => is not a strength: use 0 to 1
apply a.png -k sobel --padding=-1
apply a.png -k sobel --stride 0
apply a.png -k luma --channels sum
apply a.png -k sobel -o out.png --format tiff
apply a.png -k sobel --output=
apply a.png -k sobel --background whit
apply a.png -k sobel -j 0
apply a.png -k sobel --overwrite --skip-existing
apply a.png -k sobel -q -v
apply a.png -k sobel -o a.png
apply a.png b.png -k sobel -o b.png
apply a.png b.png -k sobel -o -
apply folder -k sobel => no images found in folder: name files
gallery a.png -k blur -o sheet.txt
gallery a.png -k blur -o no/out.png => there is no folder no
gallery a.png -k blur -o link.png --overwrite => is the input
gallery a.png --vary sigma=1,2 -o sheet.png
gallery a.png -k gaussian -k blur --vary sigma=1,2 -o sheet.png
gallery a.png -k gaussian --vary radius=1,2 -o sheet.png
gallery a.png -k gaussian --vary sigma= -o sheet.png
gallery a.png -k gaussian --vary sigma=1 --vary sigma=2 -o sheet.png
gallery a.png -k gaussian --vary border=edg -o sheet.png
gallery a.png -k blur --tile 321 -o sheet.png
kernels -o other.png
kernels --plan 3x3
kernels sobel -o other.txt
explain a.png -k blur
explain a.png -k blur --at 0,0 --channel pink
explain a.png --at 0,0
explain -k blur --at 0,0
explain a.png --values 1 -k blur --at 0,0
explain a.png -k blur -k blur --at 0,0 --animate b.gif
explain large.png -k blur --at 0,0 --animate b.gif
explain a.png -k blur -k blur --at 0,0 --step 3
explain a.png -k blur --at 0,0 -o b.txt
explain a.png -k blur --at 0,0 -o no/out.html => there is no folder no
explain a.png -k blur --at 0,0 -o a.png --overwrite => is the input
explain --values '1,2;3' -k blur => the rows have 1 and 2 numbers: make them equally long
explain --values '0 1; 2 x' -k blur => row 1, column 1: 'x' is not a number: write rows such as
explain --values '1 1e999' -k blur => a number is too large for a float
explain --values 1 -k luma => kernel 'luma' spans channels: numbers have none
explain --values 1 --weights 1 --animate b.jpg
explain --values 1 -k blur --range absolute
explain --values '1 2 3' --weights 1 --upstream '1 2' => --upstream: 1 row of 2 for an output of 1 row of 3
explain --values '1 2 3' --weights 1 --upstream '1 2 3' --at 0,0 => --at cannot be used with --upstream
explain --values '1 2 3' -k sobel --upstream '1 2 3' => has 2 parts: --upstream takes one table of weights
explain a.png -k blur --upstream '1 2 3' => --upstream takes numbers
explain hundred.csv --weights 1 --stride 101 --upstream 1 => at most 100 samples
explain a.png -k sobel -k blur -o page.html => a page shows one kernel, not a chain of 2
explain a.png -k temporal-blur -o page.html => kernel 'temporal-blur' spans frames
explain a.png -k box:size=65 -o page.html => kernel 'box:size=65' is 65x65
explain a.png -k sobel --linear -o page.html => a page cannot show --linear
explain c.png -k blur --channels luma -o page.html => a page cannot show channels luma
explain a.png -k blur --padding same-upper -o page.html => a page cannot show padding same-upper
learn a.png --size 3x3 => name two images
learn --size 3x3 => no images
learn a.png b.png => --size
learn a.png b.png --size 0x3 => is not a size
learn a.png b.png --size 3x3 --name -no => names are letters
learn a.png b.png --size 3x3 --ridge -1 => at least 0
learn a.png b.png --size 3x3 --border constant=0.5 => --border zero
learn a.png b.png --size 3x3 -o a.png --overwrite => is the input
aply => no such command 'aply' (did you mean 'apply'?)
kernels sobel '\x1b[31mred' => got unexpected extra argument (\\x1b[31mred)
apply a.png -k good --kernels bad.toml => bad.toml: [a] weights:
shape 9x9 -k sobel --kernels bad.toml => bad.toml: [a] weights:
kernels --kernels bad.toml => bad.toml: [a] weights:
shape 0x3 -k 3
shape 5 -k 3x3
shape 5x5 -k 0x3
shape 28x28x3 -k 3x3 => --in-channels
shape 40 50 -k 3 -o b2.png
shape a.png -k 3x3 -o a.png --overwrite => is the input
shape 9x9 -k 3x3 -k 3x3:outs=4 => unknown option 'outs=4' (did you mean 'out'?)
shape 9x9 -k 3x3 -k 3x3:out=0 => out: '0' is not a whole number of at least 1
shape 9x9 -k 3x3 -k 5x5:out=6:padding=valid => write out=6,padding=valid: a comma separates options
shape 9x9 -k 3x3 -k Conv5x5:out=6 => layer 'Conv5x5:out=6': a convolution is written 5x5
shape 9x9 -k 3x3 -k fc84 => layer 'fc84': a dense layer is written WxH:out=84
shape 9x9 -k 3x3 -k 3x3:stride=1,2,3 => stride: '1,2,3' is not a number N
shape 9x9 -k 3x3 -k 3x3:padding=vaild => padding: unknown padding 'vaild' (did you mean 'valid'?)
shape 9x9 -k 3x3 -k 3x3:out=2,out=3 => out is set twice
shape 9x9 -k 3x3 -k 3x3:transposed=2 => transposed: '2': it takes no value
shape 9x9 -k 3x3 -k pool2x2:out=4 => pooling has no weights: remove 'out'
shape 9x9 -k 3x3 -k sepia:out=4 => the kernel has 3 outputs: remove 'out'
shape 9x9 -k 3x3 -k gaussian:sigm=2,out=4 => did you mean 'sigma'?
shape 9x9 -k 3x3 -k 3x3x64 => channels go with --in-channels and out=
""",
    1: """
apply a.png -k gaussian -k box:size=99 --padding valid => a.png: the output is empty & 99
apply a.png -k luma => a.png: & 3 channels
apply gone.png -k blur => gone.png: & no such file
apply empty.png -k blur => empty.png: the file is empty
apply there.png -k blur => there.png: not an image
apply half.png -k blur => half.png: broken png data
apply a.png -k blur --padding 10000000 => not enough memory
gallery a.png -k blur --vary padding=1,1000000 -o s.png => not enough memory
shape 9 -k 3 -o there.png
apply deep.png -k blur -o out.jpg => deep.png: jpeg cannot hold 16-bit grey & use --depth 8
explain a.png -k blur --at 99,0
explain --values 1 -k blur --at 9,9
explain bytes.csv -k blur => bytes.csv: is not a text file
explain gone.csv -k blur => gone.csv: no such file
explain long.csv -k blur --at 0,0
explain two.tif -k temporal-blur --at 0,0
explain a.png -k blur --at 0,0 --frame 1
explain a.png -k blur --at 0,0 -o there.png
gallery a.png -k blur -o there.png
kernels sobel -o there.png => there.png already exists: use --overwrite to replace it
learn gone.png gone.png --size 3x3 -o there.toml => there.toml already exists: use --overwrite to
learn a.png b.png --size 3x3 -o . => is a folder
learn gone.png b.png --size 3x3 => gone.png
learn a.png large.png --size 3x3 => the height is 8 before and 20 after & 3 gives 6 (padding valid) to 10
shape 9x9 -k luma --in-channels 4 => 9x9: luma 1x1 expects 3 input channels but gets 4
shape 9x9 -k luma --out-channels 2 => expected 2 output channels & got 1
shape 9x9 -k 3x3:out=4 -k 5x5:groups=3,out=6 => kernel 5x5, groups 3: 3 groups do not fit 4 -> 6 channels
shape 9x9 -k pool2x2 -k 5x5 --padding valid => 9x9: layer 2, kernel 5x5: the output is empty: the height, 4
shape 2x2 -k 9x9:transposed,padding=8 => the output is empty: height (2 - 1)*1 + 1*(9 - 1) + 1 - 8 - 8 = -6
shape 3x3 -k 5x5 --padding valid => 3x3: the output is empty: the height, 3, is smaller than the kernel's, 5
""",
}
# What users of other programs type first; each answer leads the right way.
GUESSES = """
sharpen photo.png => 'apply photo.png -k sharpen'
photo.png => 'apply photo.png -k KERNEL'
photo.png sharpen -o b.png => 'apply photo.png -k sharpen -o b.png'
photo.png -k sharpen => 'apply photo.png -k sharpen'
blurr photo.png => 'apply blurr
help apply => 'apply --help'
--list => 'kernels'
apply photo.png => -k blur
apply photo.png -k sharpen --strength 50 => --mix
apply photo.png -k sharpen:amount=2 => 'unsharp:amount=2'
apply photo.png -k usm => 'unsharp'
apply photo.png -k Gaussian:0x2 => 'gaussian:sigma=2'
apply photo.png -k median => not a convolution & 'gaussian'
apply photo.png -k sobel --gray => --channels gray
apply photo.png -k sobel --recursive => subfolders are always included
apply photo.png -kernel sobel => did you mean '--kernel'
apply photo.png -k blur sobel -o b.png => 'sobel' is a kernel: use -k sobel
apply photo.png -k blur --quality 85% => is not a whole number from 1 to 100
kernels gaussian --sigma 2 => use gaussian:sigma=N
apply photo.png -k sobel -o b.jpgg => '.jpg'
apply photo.png photo.png/b.png -k sobel -o b.png => is one file & b/
apply photo.png -k sobel -o gone/b.png => create it first
apply photo.png -k average:5 => 'box:5'
apply photo.png -k sobel -s 2 => '--stride'
apply photo.png -k sobel --median 3 => not a convolution
apply photo.png -k sobel --jpg => --format jpg
apply photo.png --edges => -k sobel
explain photo.png -k sobel --pixel 2,3 => --at ROW,COL
apply photo.png -k 3x3 => 'box:size=3,3'
apply photo.png -k box:3x3 => 'box:size=3,3'
apply photo.png -k gaussian,sobel => 'gaussian -k sobel'
apply photo.png -k sobel --border mirror => 'reflect' or 'symmetric'
apply photo.png -k sobel --padding reflect => --border reflect
apply photo.png -k sobel --depth 8bit => did you mean '8'
apply photo.png -k gaussian:sigma:3 => 'gaussian:sigma=3'
apply photo.png -morphology Convolve 3x3:0 => -k '0 -1 0; -1 5 -1; 0 -1 0' (add --flip for Convolve)
apply photo.png blur out.png => 'blur' is a kernel: use -k blur
apply blur photo.png => 'blur' is a kernel: use -k blur
explain --values 1 -weights 1 => no such option -weights: did you mean '--weights'
apply photo.png -k => -k blur
apply photo.png -k blur -o out.xyz => end in '/'
shape 28x28 => -k 3x3
gallery photo.png -k blur => -o sheet.png
"""
TYPED = [
    (*line.partition(" => ")[::2], code)
    for code, lines in ((2, WRONG[2]), (1, WRONG[1]), (2, GUESSES))
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("line", "words", "code"), TYPED)
def test_a_wrong_command_line_is_one_line_and_nothing_is_written(quick, tmp_path, line, words, code):
    for name, pixels in {"a": grey(), "b": grey(), "c": colour(), "photo": colour()}.items():
        save(tmp_path / f"{name}.png", pixels)
    save(tmp_path / "large.png", grey(20, 20))
    save(tmp_path / "deep.png", grey().astype(np.uint16))
    (tmp_path / "half.png").write_bytes((tmp_path / "a.png").read_bytes()[:-40])
    (tmp_path / "empty.png").touch()
    os.link(tmp_path / "a.png", tmp_path / "link.png")
    (tmp_path / "folder").mkdir()
    for name in ("there.png", "there.toml", "bytes.csv"):
        (tmp_path / name).write_bytes(b"garbage\xff\xfe")
    (tmp_path / "bad.toml").write_text("[good]\nweights = [[1]]\n[a]\nweights = [[1, 2], [3]]")
    (tmp_path / "hundred.csv").write_text("1 " * 100 + "1")
    (tmp_path / "long.csv").write_text("1 " * (1 << 21) + "1")
    animate(tmp_path / "two.tif", [grey(5, 6), grey(6, 5)])
    before = tree(tmp_path)
    ran = quick(*shlex.split(line))
    assert (ran.code, ran.out, len(ran.complaints)) == (code, "", 1), ran
    assert ran.err.startswith("convfilter: ")
    for each in words.split(" & "):
        assert each in ran.err
    assert tree(tmp_path) == before
    if "kernels' lists all)" in ran.err or "takes no parameters" in ran.err:  # what is proposed exists
        for name in re.search("mean ('.*')\\?", ran.err)[1].split(" or "):
            assert [get_kernel(each) for each in name.strip("'").split(" -k ")]


def test_existing_outputs_are_left_alone_skipped_or_replaced(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    (tmp_path / "b.png").write_bytes(b"mine")
    command = ("apply", "a.png", "-k", "identity", "-o", "b.png")
    reason = "b.png already exists: use --overwrite to replace it or --skip-existing to keep it"
    assert quick(*command) == (1, b"", f"convfilter: a.png: {reason}\n")
    assert quick(*command, "--skip-existing")[::2] == (0, "")
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    assert quick(*command, "--overwrite")[::2] == (0, "")
    assert np.array_equal(load(tmp_path / "b.png"), grey())


def test_what_is_not_a_regular_file_fails_without_waiting(quick, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to("nowhere")
    (tmp_path / "loop.png").symlink_to("loop.png")
    ran = quick("apply", "pipe.png", "broken.png", "loop.png", "/dev/null", "-k", "blur", "-o", "out")
    assert (ran.code, ran.out) == (1, "")
    assert ran.complaints[:2] == [
        "convfilter: pipe.png: is a pipe, not an image file",
        "convfilter: broken.png: no such file",
    ]
    assert ran.complaints[2].startswith("convfilter: loop.png: cannot be opened: ")
    assert ran.complaints[3:] == [
        "convfilter: /dev/null: is a device, not an image file",
        "convfilter: 4 failed",
    ]


STRANGE = [b"two words.png", b"quo'te\".png", b"new\nline.png", b"caf\xe9.png", b"-rf.png", b"\x1b[31m.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system refuses undecodable names")
def test_strange_names_are_processed_and_escaped_in_messages(quick, tmp_path):
    save(tmp_path / "a.png", colour())
    for name in STRANGE:
        os.link(tmp_path / "a.png", os.path.join(os.fsencode(tmp_path), name))
    command = ("apply", "-k", "identity", "-o", "out", "--", *map(os.fsdecode, STRANGE))
    assert quick(*command).code == 0
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == sorted(STRANGE)
    ran = quick(*command)
    assert (ran.code, len(ran.complaints)) == (1, len(STRANGE) + 1)
    for shown in (r"new\nline.png", r"caf\xe9.png", "-rf.png", r"\x1b[31m.png"):
        assert any(line.startswith(f"convfilter: {shown}: ") for line in ran.complaints)


def test_a_constant_that_is_not_a_fraction_is_refused_for_integers_and_right_for_floats(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey())
    np.save(tmp_path / "deep.npy", np.zeros((4, 5), np.float32))
    constant = ("-k", "blur", "--border", "constant=128", "-o", "out")
    for options in ((), ("-n",)):
        ran = quick("apply", "a.png", *constant, *options)
        assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1)
        assert "from 0 to 1 for integers; level 128 of 255 is 0.502" in ran.err
    assert quick("apply", "a.png", "b.png", *constant).code == 2
    assert not (tmp_path / "out").exists()
    assert quick("gallery", "a.png", *constant[:-1], "sheet.png").code == 2
    for options in ((), ("-n",)):
        ran = quick("apply", "a.png", "-k", "blur", "--threshold", "3", *options)
        assert (ran.code, len(ran.complaints)) == (2, 1)
        assert "below 1 for integers; 3 levels of 255 would be 0.01176" in ran.err
    assert quick("apply", "deep.npy", "-k", "blur", "--threshold", "3", "-n").code == 0
    ran = quick("apply", "a.png", "-k", "blur", "--range", "raw", "-o", "raw.png")
    assert (ran.code, ran.err.rpartition("; ")[2]) == (1, "try tiff or npy\n")
    assert quick("apply", "deep.npy", *constant).code == 0
    assert np.load(tmp_path / "out" / "deep.npy").max() > 1


@pytest.mark.parametrize(
    "command", ["apply a.png -k blur -n", "shape 9x9 -k 3x3", "learn a.png a.png --size 3x3"]
)
def test_a_number_of_threads_that_makes_no_sense_is_refused_by_every_command(quick, tmp_path, command):
    save(tmp_path / "a.png", grey())
    ran = quick(*command.split(), CONVFILTER_THREADS="9" * 5000)
    assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1)
    assert ran.err.startswith("convfilter: CONVFILTER_THREADS is '999")
