"""What users of other programs type first, and that each answer leads the right way."""

import re
import shlex

import pytest
from samples import colour, save, tree

from convfilter import get_kernel
from convfilter.guesses import COMMANDS, NOT_CONVOLUTIONS, OPTIONS, synonyms
from convfilter.options import FilterOptions, choices, declared

GUESSES = """
sharpen photo.png => 'apply photo.png -k sharpen'
photo.png => 'apply photo.png -k KERNEL'
photo.png sharpen -o b.png => 'apply photo.png -k sharpen -o b.png'
photo.png -k sharpen => 'apply photo.png -k sharpen'
-k sharpen photo.png => convfilter apply INPUT
blurr photo.png => 'apply blurr
help apply => 'apply --help'
list => 'kernels'
--list => 'kernels'
show photo.png => --preview
apply photo.png => -k sobel
apply photo.png -k sharpen --strength 50 => --mix
apply photo.png -k sharpen:amount=2 => 'unsharp:amount=2'
apply photo.png -k usm => 'unsharp'
apply photo.png -k Gaussian => 'gaussian'
apply photo.png -k Gaussian:0x2 => 'gaussian:sigma=2'
apply photo.png -k blur:sigma=3 => 'gaussian:sigma=3'
apply photo.png -k median => not a convolution, 'gaussian'
apply photo.png -k invert => not a convolution, offset = 1
apply photo.png -k sharpen --force => --overwrite
apply photo.png -k sobel --gray => --channels gray
apply photo.png -k sobel --show => --preview
apply photo.png -k sobel --recursive => folders are read
apply photo.png -k sobel --outdir x => -o
apply photo.png -k blur --mode reflect => --border
apply photo.png -k blur --scale 2 => not a convolution, --stride
apply photo.png -kernel sobel => did you mean '--kernel'
apply photo.png -k blur sobel -o b.png => no file 'sobel', -k sobel
apply photo.png -k blur --quality 85% => is not an integer from 1
info photo.png => 'shape
kernels gaussian --sigma 2 => give gaussian:sigma=N
apply photo.png -k sobel -o b.jpgg => '.jpg'
apply photo.png photo.png/b.png -k sobel -o b.png => is one file, b/
apply photo.png -k sobel -o gone/b.png => create it first
apply photo.png -k edges => 'sobel'
apply photo.png -k sobel_x => 'sobel-x'
apply photo.png -k average:5 => 'box:5'
apply photo.png -k sobel -s 2 => '--stride'
apply photo.png -k sobel --median 3 => not a convolution
apply photo.png -k sobel --jpg => --format jpg
apply photo.png --edges => -k sobel
explain photo.png -k sobel --pixel 2,3 => --at ROW,COL
apply photo.png -k 3x3 => 'box:size=3,3'
apply photo.png -k box:3x3 => 'box:size=3,3'
apply photo.png -k canny => not a convolution, -k gaussian -k sobel
apply photo.png -k gaussian:size=5 => 'sigma'
apply photo.png -k gaussian,sobel => 'gaussian -k sobel'
apply photo.png -k sobel --ksize 5 => -k box:size=N
apply photo.png -k sobel --border replicate => 'edge'
apply photo.png -k sobel --border mirror => 'reflect' or 'symmetric'
apply photo.png -k sobel --padding reflect => --border reflect
apply photo.png -k sobel --padding none => 'valid'
apply photo.png -k sobel --border constant=128 => 0.502
shape 28x28 -k 5x5 --pad 2 => --padding
apply photo.png -k gaussian:std=2 => 'sigma'
apply photo.png -k wiener => 'deblur'
apply photo.png -k gradient => 'sobel'
apply photo.png -k sobel --border nearest => 'edge'
apply photo.png -k sobel --range normalize => 'stretch'
apply photo.png -k sobel --depth 32 => 'float'
apply photo.png -k sobel --cval 0 => --border constant=V
apply photo.png -k sobel --threads 2 => --jobs
"""


@pytest.mark.parametrize(("typed", "words"), [line.split(" => ") for line in GUESSES.strip().splitlines()])
def test_a_guess_is_answered_in_one_line_with_the_right_words(quick, tmp_path, typed, words):
    save(tmp_path / "photo.png", colour())
    before = tree(tmp_path)
    ran = quick(*shlex.split(typed))
    assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1), ran
    for each in words.split(", "):
        assert each in ran.err, ran.err
    assert tree(tmp_path) == before
    if "kernels' lists all)" in ran.err or "takes no parameters" in ran.err:  # what is proposed exists
        for name in re.search("mean ('.*')\\?", ran.err)[1].split(" or "):
            assert [get_kernel(each) for each in name.strip("'").split(" -k ")]


@pytest.mark.parametrize("name", ["--cval", "--strength", "--show"])
def test_an_answer_never_names_an_option_that_the_command_lacks(quick, name):
    ran = quick("shape", "9x9", "-k", "3x3", name)
    assert ran.code == 2
    assert "give" not in ran.err


def test_an_answer_never_names_a_value_that_the_option_lacks(quick):
    assert "give" not in quick("learn", "a.png", "b.png", "--size", "3", "--gray").err
    assert "give --channels gray" in quick("gallery", "a.png", "-o", "b.png", "--gray").err


def test_an_output_typed_like_an_input_is_explained(quick, tmp_path):
    save(tmp_path / "photo.png", colour())
    ran = quick("apply", "photo.png", "new.png", "-k", "blur")
    assert ran.code == 1
    assert "new.png was read as an input: name an output with -o new.png\n" in ran.err


def test_words_are_not_both_right_and_wrong():
    kernels = {"box", "gaussian", "sobel", "luma"}
    for word in NOT_CONVOLUTIONS:
        assert not synonyms(word, kernels), word
    flags = {option.name.replace("_", "") for option in declared(FilterOptions)}
    assert not flags & set(OPTIONS)
    assert not set(COMMANDS) & {"apply", "explain", "gallery", "kernels", "learn", "shape"}
    for option in declared(FilterOptions):
        for value in choices(option.type):
            assert synonyms(str(value), map(str, choices(option.type)))[0] == str(value)
