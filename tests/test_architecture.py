"""How the package is built: who may import whom, what stays unloaded, what is public."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment
from PIL import Image

import convfilter

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "convfilter"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
ENTRANCES = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}

# Defaults that may be passed by position.
BY_POSITION = {"get_kernel": ["kernels"]}


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Every name that a file imports, anywhere in it: (module, name), or (module, None) for a whole one."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from ((node.module, alias.name) for alias in node.names)


MODULES = {module_of(path): path for path in TREES}
USED = {}  # by module, the other modules that it imports
for path in TREES:
    names = {name for module, name in imports(path) for name in (module, f"{module}.{name}")}
    USED[path] = {MODULES[name] for name in names if name in MODULES} - {path, *ENTRANCES}


def test_imports_run_down_the_table_of_contributing():
    table = CONTRIBUTING.split("| package | purpose |")[1].split("\n\n")[0]
    order = [re.sub(r"/|\.py", "", name) for name in re.findall(r"^\| `(\S+?)` \|", table, re.MULTILINE)]
    assert set(map(package_of, set(TREES) - ENTRANCES)) == set(order)
    for path in set(TREES) - ENTRANCES:
        for used in USED[path]:
            message = f"{module_of(path)} imports {module_of(used)}"
            assert order.index(package_of(path)) <= order.index(package_of(used)), message


def test_no_module_imports_itself_by_way_of_others():
    arrows = {path: set(used) for path, used in USED.items()}
    while free := [path for path, used in arrows.items() if not used & arrows.keys()]:
        for path in free:
            del arrows[path]
    assert not arrows


def test_what_another_module_imports_is_public():
    for path in TREES:
        for module, name in imports(path):
            known = name in (None, "__version__") or f"{module}.{name}" in MODULES
            if module.startswith("convfilter") and not known:
                public = getattr(importlib.import_module(module), "__all__", [name.lstrip("_")])
                assert name in public, f"{module}.{name}"


def test_only_some_packages_use_a_library():
    allowed = {
        "click": {"cli"},
        "PIL": {"images", "drawing"},
        "imagecodecs": set(),
        "tifffile": set(),
        "distributed": set(),
        "dataclasses": set(),  # each class takes a millisecond of every start
    }
    for path in TREES:
        for module, _ in imports(path):
            library = module.split(".")[0]
            assert package_of(path) in allowed.get(library, {package_of(path)}), f"{path} imports {library}"


def test_contributing_fits_one_screen_and_names_files_that_exist():
    assert CONTRIBUTING.count("\n") <= 60
    for name in re.findall(r"`([\w/]+\.\w+)`", CONTRIBUTING):
        assert any((folder / name).exists() for folder in (ROOT, PACKAGE, ROOT / "tests")), name


WATCH = """
import os, sys
from convfilter.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv[1:] = line.split()
    try:
        main()
    except SystemExit as ended:
        assert ended.code in (0, int("sobl" in line)*2), line
    heavy = {"numpy", "PIL"} & set(sys.modules)
    assert not heavy, (line, heavy)
os.environ.update(_CONVFILTER_COMPLETE="bash_complete", COMP_WORDS="convfilter apply -k ", COMP_CWORD="3")
try:
    main()
finally:
    print({"numpy", "PIL"} & set(sys.modules) or "light")
"""
LIGHT = """\
shape 28x28 -k 3x3
shape 28x28 -k 3x3 --json
shape 28x28 -k gaussian:sigma=3
--version
--help
apply --help
explain --help
gallery --help
kernels sobl
"""


def test_commands_that_compute_nothing_import_neither_numpy_nor_pillow(tmp_path):
    command = [sys.executable, "-c", WATCH]
    options = {"env": environment(), "cwd": tmp_path, "capture_output": True, "text": True}
    ran = subprocess.run(command, input=LIGHT, check=False, **options)
    assert ran.stdout.endswith("opponent\nlight\n"), ran.stderr


def test_one_still_image_loads_only_what_it_needs(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png")
    code = "import sys, convfilter.cli\ntry: convfilter.cli.main()\nfinally: print(*sys.modules)"
    command = [sys.executable, "-c", code, "apply", "in.png", "-k", "sobel", "-q"]
    ran = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
    unused = {"batch.executors", "explain", "filtering.hints", "guesses", "kernels.generators"}
    unused |= {f"images.{name}" for name in ("gif", "jpeg", "npy", "pnm", "tiff")}
    assert "convfilter.images.png" in ran.stdout.split()
    assert not {f"convfilter.{name}" for name in unused} & set(ran.stdout.split())


def test_public_names_are_those_promised():
    assert convfilter.__all__ == [
        *("ConvfilterError", "ImageError", "Kernel", "KernelError", "OptionError", "ShapeError"),
        *("apply_kernel", "convolve", "correlate", "correlate_channels", "filter_file", "fit_kernel"),
        *("get_kernel", "input_gradient", "kernel_gradient", "load_kernels", "output_shape"),
    ]
    assert set(convfilter.__all__) <= set(dir(convfilter))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = convfilter.nothing_like_it
    assert re.fullmatch(r"\d+\.\d+\.\d+([.-]?\w+)*", convfilter.__version__)


def test_public_names_are_documented_and_their_defaults_keyword_only():
    for name in convfilter.__all__:
        value = getattr(convfilter, name)
        assert value.__doc__, name
        if inspect.isfunction(value):
            positional = [
                parameter.name
                for parameter in inspect.signature(value).parameters.values()
                if parameter.default is not parameter.empty and parameter.kind != parameter.KEYWORD_ONLY
            ]
            assert positional == BY_POSITION.get(name, []), name


def test_errors_are_one_family():
    for name in ("KernelError", "ImageError", "OptionError", "ShapeError"):
        assert issubclass(getattr(convfilter, name), convfilter.ConvfilterError)
    assert issubclass(convfilter.ConvfilterError, ValueError)
