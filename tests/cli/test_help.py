"""Help, version and completion."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SECONDS, environment

import convfilter
from convfilter.cli import cli

COMMANDS = ("apply", "explain", "gallery", "kernels", "learn", "shape")


def test_all_options_of_apply_stand_under_headings(quick):
    ran = quick("apply", "--help-all")
    assert (ran.code, ran.err) == (0, "")
    headings = re.findall(r"^(\w+):\n  +-", ran.out, re.M)
    assert headings == ["Options", "Filtering", "Writing", "Reading", "Running"]


@pytest.mark.parametrize("name", COMMANDS)
def test_everyday_options_fit_a_screen_with_a_line_for_each(quick, name):
    lines = quick(name, "-h").out.splitlines()
    assert len(lines) <= 23  # a prompt follows
    assert max(map(len, lines)) < 80
    assert "Example: convfilter" in lines[4]
    assert all(line.startswith("  -") for line in lines[lines.index("Options:") + 1 : -2])
    assert lines[-1] == f"'convfilter {name} --help-all' lists all options."


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name):
    for parameter in cli.get_command(None, name).params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name


def test_the_group_lists_its_commands(quick):
    ran = quick("--help")
    assert ran.code == 0
    listed = [line.split()[0] for line in ran.out.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert sorted(listed) == sorted(COMMANDS)


def test_without_arguments_three_commands_are_shown_that_exist(quick):
    ran = quick()
    assert (ran.code, ran.out) == (2, "")
    assert re.findall("^  convfilter ([a-z]+) ", ran.err, re.M) == ["apply", "kernels", "explain"]
    assert "'convfilter --help'" in ran.err


def test_the_version_is_printed(quick):
    ran = quick("--version")
    assert (ran.code, ran.out) == (0, f"convfilter {convfilter.__version__}\n")


BASH = """
eval "$(_CONVFILTER_COMPLETE=bash_source convfilter)"
COMP_WORDS=(%s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_convfilter_completion convfilter "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_after_the_line_of_the_documents(tmp_path):
    (tmp_path / "mine.toml").write_text("[sobriety]\nweights = [[1]]\n")
    command = tmp_path / "bin" / "convfilter"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m convfilter "$@"\n')
    command.chmod(0o755)
    page = (Path(__file__).resolve().parents[2] / "docs" / "filter.md").read_text(encoding="utf-8")
    assert BASH.splitlines()[1] in page
    for words, found in (
        ("convfilter apply --kernels mine.toml -k sob", ["sobel", "sobel-x", "sobel-y", "sobriety"]),
        ("convfilter exp", ["explain"]),
        ("convfilter apply --over", ["--overwrite"]),
    ):
        ran = subprocess.run(
            ["bash", "--norc", "-c", BASH % words],
            cwd=tmp_path,
            env=environment(PATH=f"{command.parent}{os.pathsep}{os.environ['PATH']}"),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ran.stderr == ""
        assert sorted(ran.stdout.split()) == found, words
