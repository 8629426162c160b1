"""``convfilter kernels``: the list, and one kernel looked at."""

import json
import re

import numpy as np
import pytest
from samples import load

import convfilter as cf
from convfilter.cli.kernels import GROUPS

SHIPPED = list(cf.load_kernels())
SIZES = {"temporal-blur": "1x1x3", "temporal-edge": "1x1x3"}

SOBEL = """\
sobel 3x3, magnitude of 2: Edges in all directions: the magnitude of Sobel's gradient
  part 1
    -1   0   1
    -2   0   2
    -1   0   1
  part 2
    -1  -2  -1
     0   0   0
     1   2   1
  sum         0, 0  (counts as zero)
  range       auto
"""


def test_every_kernel_is_listed_on_a_line_with_size_and_summary(quick):
    ran = quick("kernels")
    assert ran.code == 0
    assert ran.err == ""
    lines = ran.out.split("\n\n")[0].splitlines()
    headings = [line for line in lines if not line.startswith(" ")]
    assert headings == [f"{heading}:" for heading in GROUPS]
    lines = [line for line in lines if line.startswith("  ")]
    assert sorted(line.split()[0] for line in lines) == sorted(SHIPPED)
    for line in lines:
        name = line.split()[0]
        kernel = cf.get_kernel(name)
        assert line.split()[1] == SIZES.get(name, f"{kernel.width}x{kernel.height}"), name
        assert kernel.summary.partition(";")[0] in line, name
        assert all(f"{key}=" in line for key in kernel.parameters), name
    assert any(line.endswith(" (of=gaussian, size=25, noise=0.01)") for line in lines)


def test_one_kernel_shows_its_weights_and_source(quick):
    ran = quick("kernels", "sobel")
    assert ran.code == 0
    assert ran.out.startswith(SOBEL)
    assert ran.out.splitlines()[-1].startswith("  source      I. Sobel and G. Feldman (1968), ")


def test_json_describes_all_kernels_without_weights(quick):
    ran = quick("kernels", "--json")
    found = json.loads(ran.out)
    assert [each["name"] for each in found] == SHIPPED
    keys = ["name", "summary", "size", "source", "axes", "parts", "combine", "divisors", "offset", "range"]
    assert all(list(each) == [*keys, "anchor", "zero_sum", "parameters"] for each in found)


def test_json_of_one_kernel_holds_its_weights(quick):
    (found,) = json.loads(quick("kernels", "luma", "--json").out)
    assert found["size"] == {"width": 1, "height": 1}
    assert found["axes"] == "channel,row,column"
    assert found["divisors"] == [1000]
    assert found["weights"] == [[[[299]], [[587]], [[114]]]]
    assert "  parameters  sigma=2, truncate=3\n" in quick("kernels", "gaussian:sigma=2").out
    (found,) = json.loads(quick("kernels", "gaussian:sigma=2", "--json").out)
    assert found["parameters"] == {"sigma": 2, "truncate": 3}
    assert found["size"] == {"width": 13, "height": 13}
    assert sum(map(sum, found["weights"][0])) == pytest.approx(1)


def test_a_users_file_is_laid_over_the_shipped_one(quick, tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[mine]\nsummary = "My own"\nweights = [[1, 2]]\n[sobel]\nweights = [[7]]\n'
    )
    out = quick("kernels", "--kernels", "mine.toml").out
    assert " ".join(out.split("\n\n")[0].split()).endswith("Your own: mine 2x1 My own")
    assert re.search(r"  sobel +1x1\n", out)
    assert "prewitt " in out


def test_control_characters_of_a_users_file_are_escaped(quick, tmp_path):
    (tmp_path / "mine.toml").write_text(
        r"[mine]" "\n" r'summary = "\u001b[31mred\nnext"' "\n" r'source = "bell \u0007"' "\nweights = [[1]]\n"
    )
    listing = quick("kernels", "--kernels", "mine.toml").out
    shown = quick("kernels", "mine", "--kernels", "mine.toml").out
    assert r"\x1b[31mred\nnext" in listing
    assert r"\x1b[31mred\nnext" in shown
    assert r"bell \x07" in shown
    assert all(character.isprintable() or character == "\n" for character in listing + shown)


def test_a_kernel_over_frames_shows_them(quick):
    words = " ".join(quick("kernels", "temporal-blur").out.split())
    assert words.startswith("temporal-blur 1x1x3: ")
    assert " weights / 4 frame 0 1 frame 1 2 frame 2 1 " in words
    (found,) = json.loads(quick("kernels", "temporal-blur", "--json").out)
    assert found["size"] == {"width": 1, "height": 1, "frames": 3}
    assert "plan" in quick("kernels", "temporal-blur", "--plan", "640x480").out


def test_one_kernel_tells_what_follows_from_its_weights(quick):
    out = quick("kernels", "sobel").out
    assert "  values      0 .. 1442.5 from samples 0 .. 255\n" in out
    assert "  symmetry    odd: rotation by 180 degrees (--flip) changes the sign\n" in out
    assert "  rank        1, a column times a row: 3 + 3 multiplications instead of 9\n" in out
    assert "  plan        4000x3000, 8 bits: separable" in out
    assert "blocks      1 (10x10), 1 thread\n" in quick("kernels", "blur", "--plan", "10x10").out
    assert "  rank        2 of 3: not a column times a row\n" in quick("kernels", "laplacian-8").out
    assert "even: rotation" in quick("kernels", "blur").out
    assert "none: rotation" in quick("kernels", "emboss").out
    (found,) = json.loads(quick("kernels", "sobel-x", "--json").out)
    assert (found["values"], found["symmetry"], found["ranks"]) == ([-1020, 1020], "odd", [1])


@pytest.mark.parametrize("name", ["sobel", "box:size=101,3", "sepia", "temporal-edge"])
def test_kernels_of_every_kind_can_be_drawn(quick, tmp_path, name):
    ran = quick("kernels", name, "-o", "kernel.png")
    assert ran.code == 0
    assert ran.complaints == ["convfilter: drawn to kernel.png"]
    drawn = load(tmp_path / "kernel.png")
    assert drawn.shape[1] == 836
    assert len(np.unique(drawn.astype(int) @ (65536, 256, 1))) > 20
