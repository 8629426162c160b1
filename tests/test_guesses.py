"""What users of other programs type first, and that each answer leads the right way."""

import pytest
from samples import colour, save

from convfilter.guesses import COMMANDS, NOT_CONVOLUTIONS, OPTIONS, synonyms
from convfilter.options import FilterOptions, choices, declared


@pytest.mark.parametrize("name", ["--cval", "--strength", "--show"])
def test_an_answer_never_names_an_option_that_the_command_lacks(quick, name):
    ran = quick("shape", "9x9", "-k", "3x3", name)
    assert ran.code == 2
    assert "use -" not in ran.err


def test_an_answer_never_names_a_value_that_the_option_lacks(quick):
    assert "use -" not in quick("learn", "a.png", "b.png", "--size", "3", "--gray").err
    assert "use --channels gray" in quick("gallery", "a.png", "-o", "b.png", "--gray").err


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
