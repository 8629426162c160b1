"""How the house is built: who may import whom, what stays unloaded, what is public."""

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

import convfilter

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "convfilter"
SOURCES = sorted(PACKAGE.rglob("*.py"))

PUBLIC = [
    "ConvfilterError",
    "ImageError",
    "Kernel",
    "KernelError",
    "OptionError",
    "ShapeError",
    "apply_kernel",
    "convolve",
    "correlate",
    "correlate_channels",
    "filter_file",
    "fit_kernel",
    "get_kernel",
    "input_gradient",
    "kernel_gradient",
    "load_kernels",
    "output_shape",
]

# Defaults that are promised by position.
BY_POSITION = {"load_kernels": ["path"], "get_kernel": ["kernels"]}


def rooms():
    """The rooms of CONTRIBUTING's table, from the top of the house to its end."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split("| room | purpose |")[1].split("\n\n")[0]
    return [
        name.removesuffix("/").removesuffix(".py") for name in re.findall(r"^\| `(\S+?)` \|", table, re.M)
    ]


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def imports(path):
    """Every module that a file imports, anywhere in it."""
    return [*_imports(path)]


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_file_stands_in_a_room_and_every_room_exists():
    entrances = {"__init__", "__main__"}
    assert {room_of(path) for path in SOURCES} - entrances == set(rooms())


def test_imports_run_one_way():
    order = rooms()
    for path in SOURCES:
        room = room_of(path)
        if path.parent == PACKAGE and room in ("__init__", "__main__"):
            continue
        for module in imports(path):
            first, _, rest = module.partition(".")
            target = rest.split(".")[0]
            if first != "convfilter" or target in ("", "__version__"):
                continue
            assert target in order, f"{path} imports {module}, which is no room"
            assert order.index(target) >= order.index(room), f"{path} imports {module}, which is above it"


def test_no_module_imports_itself_by_way_of_others():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SOURCES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    # What only an annotation needs, or a function when it is called, is imported nevertheless.
    entrances = {"convfilter", "convfilter.__main__"}
    arrows = {
        name: {module for module in imports(path) if module in names} - {name} - entrances
        for name, path in names.items()
        if name not in entrances
    }
    while free := [name for name, below in arrows.items() if not below & set(arrows)]:
        for name in free:
            del arrows[name]
    assert not arrows


def test_what_another_module_takes_stands_in_all():
    for node in (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("convfilter"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                is_module = inspect.ismodule(getattr(module, alias.name))
                assert is_module or alias.name == "__version__" or alias.name in module.__all__, alias.name


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("click", {"cli"}),
        ("PIL", {"images", "drawing"}),
        ("imagecodecs", set()),
        ("tifffile", set()),
        ("distributed", set()),
    ],
)
def test_only_some_rooms_know_a_library(library, rooms):
    knowing = {room_of(path) for path in SOURCES if any(m.split(".")[0] == library for m in imports(path))}
    assert knowing == rooms


LIGHT = {
    "shape": (["shape", "28x28", "-k", "3x3"], {}),
    "shape as JSON": (["shape", "28x28", "-k", "3x3", "--json"], {}),
    "shape by name": (["shape", "28x28", "-k", "gaussian:sigma=3"], {}),
    "kernels": (["kernels"], {}),
    "help of explain": (["explain", "--help"], {}),
    "help of gallery": (["gallery", "--help"], {}),
    "help": (["--help"], {}),
    "help of apply": (["apply", "--help"], {}),
    "version": (["--version"], {}),
    "an unknown kernel's message": (["kernels", "sobl"], {}),
    "completion": (
        [],
        {
            "_CONVFILTER_COMPLETE": "bash_complete",
            "COMP_WORDS": "convfilter apply -k so",
            "COMP_CWORD": "3",
        },
    ),
}

WATCH = """
import atexit, sys
atexit.register(lambda: print("HEAVY", *sorted({"numpy", "PIL"} & set(sys.modules)), file=sys.stderr))
from convfilter.cli import main
main()
"""


@pytest.mark.parametrize("case", LIGHT)
def test_what_computes_nothing_loads_neither_numpy_nor_pillow(case, tmp_path):
    arguments, changes = LIGHT[case]
    ran = subprocess.run(
        [sys.executable, "-c", WATCH, *arguments],
        capture_output=True,
        env=environment(**changes),
        cwd=tmp_path,
        check=False,
        text=True,
    )
    assert ran.stdout or ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == "HEAVY"


def test_the_public_names_are_those_promised():
    assert convfilter.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(convfilter))
    for name in PUBLIC:
        assert getattr(convfilter, name).__doc__, name
    absent = "nothing_of_the_kind"
    with pytest.raises(AttributeError, match=absent):
        getattr(convfilter, absent)


def test_every_default_of_a_public_function_is_keyword_only():
    for name in PUBLIC:
        function = getattr(convfilter, name)
        if not inspect.isfunction(function):
            continue
        by_position = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is not parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
        ]
        assert by_position == BY_POSITION.get(name, []), name


def test_the_errors_are_one_family():
    for name in ("KernelError", "ImageError", "OptionError", "ShapeError"):
        kind = getattr(convfilter, name)
        assert issubclass(kind, convfilter.ConvfilterError)
        assert issubclass(kind, ValueError)


def test_the_version_is_known():
    assert re.fullmatch(r"\d+\.\d+\.\d+([.-]?\w+)*", convfilter.__version__)


def test_modules_say_what_they_are_and_no_name_is_a_drawer():
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text())), path
        assert path.stem not in ("utils", "helpers", "common", "misc")
