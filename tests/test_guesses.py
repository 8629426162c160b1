"""What users of other programs type first, and that each answer leads the right way."""

import re

import pytest
from samples import colour, save

from convfilter import get_kernel
from convfilter.cli import cli
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


def test_every_answer_names_options_commands_and_kernels_that_exist():
    commands = {name: cli.get_command(None, name) for name in cli.list_commands(None)}
    known = {"--help", "--version"}
    for command in commands.values():
        known |= {name for parameter in command.params for name in parameter.opts}
    for answer in [*OPTIONS.values(), *COMMANDS.values(), *NOT_CONVOLUTIONS.values()]:
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", answer)) <= known, answer
    for answer in COMMANDS.values():
        assert answer.split()[0] in {*commands, *known}
    for answer in NOT_CONVOLUTIONS.values():
        for name in re.findall(r"'([a-z]+)'", answer):
            assert get_kernel(name)
