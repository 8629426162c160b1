"""``convfilter kernels``: the list, and one kernel looked at."""

import json

import pytest

import convfilter as cf

SHIPPED = list(cf.load_kernels())
SIZES = {"temporal-blur": "1x1x3", "temporal-edge": "1x1x3"}

SOBEL = """\
sobel 3x3, magnitude of 2: Edges in all directions: the size of Sobel's gradient
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
  source      I. Sobel and G. Feldman (1968), """


def test_every_kernel_is_listed_on_a_line_with_size_and_summary(run):
    ran = run("kernels")
    assert ran.code == 0
    assert ran.err == ""
    lines = ran.out.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == SHIPPED
    for line, (name, kernel) in zip(lines, cf.load_kernels().items(), strict=True):
        assert line.split()[1] == SIZES.get(name, f"{kernel.width}x{kernel.height}"), name
        assert line.endswith(kernel.summary), name


def test_one_kernel_shows_its_weights_and_source(run):
    ran = run("kernels", "sobel")
    assert ran.code == 0
    assert ran.out.startswith(SOBEL)


def test_parameters_are_shown_as_they_are_in_force(quick):
    ran = quick("kernels", "gaussian:sigma=2")
    assert ran.out.splitlines()[0].startswith("gaussian:sigma=2 13x13: ")
    assert "  parameters  sigma=2" in ran.out


def test_json_describes_all_kernels_without_weights(quick):
    ran = quick("kernels", "--json")
    told = json.loads(ran.out)
    assert [each["name"] for each in told] == SHIPPED
    keys = ["name", "summary", "size", "source", "axes", "parts", "combine", "divisors", "offset", "range"]
    assert all(list(each) == [*keys, "zero_sum", "parameters"] for each in told)


def test_json_of_one_kernel_holds_its_weights(quick):
    (told,) = json.loads(quick("kernels", "luma", "--json").out)
    assert told["size"] == {"width": 1, "height": 1}
    assert told["axes"] == "channel,row,column"
    assert told["divisors"] == [1000]
    assert told["weights"] == [[[[299]], [[587]], [[114]]]]
    (told,) = json.loads(quick("kernels", "gaussian:sigma=2", "--json").out)
    assert told["parameters"] == {"sigma": 2}
    assert told["size"] == {"width": 13, "height": 13}
    assert sum(map(sum, told["weights"][0])) == pytest.approx(1)


def test_a_users_file_is_laid_over_the_shipped_one(quick, tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[mine]\nsummary = "My own"\nweights = [[1, 2]]\n[sobel]\nweights = [[7]]\n'
    )
    out = quick("kernels", "--kernels", "mine.toml").out
    assert "mine           2x1     My own\n" in out
    assert "sobel          1x1\n" in out
    assert "prewitt " in out
    assert quick("kernels", "sobel", "--kernels", "mine.toml").out.splitlines()[:3] == [
        "sobel 1x1",
        "  weights",
        "    7",
    ]


def test_control_characters_of_a_users_file_are_escaped(run, tmp_path):
    (tmp_path / "mine.toml").write_text(
        r"[mine]" "\n" r'summary = "\u001b[31mred\nnext"' "\n" r'source = "bell \u0007"' "\nweights = [[1]]\n"
    )
    listing = run("kernels", "--kernels", "mine.toml").out
    shown = run("kernels", "mine", "--kernels", "mine.toml").out
    assert r"\x1b[31mred\nnext" in listing
    assert r"\x1b[31mred\nnext" in shown
    assert r"bell \x07" in shown
    assert all(character.isprintable() or character == "\n" for character in listing + shown)


def test_an_unknown_kernel_proposes_the_nearest(quick):
    ran = quick("kernels", "sobl")
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaints == [
        "convfilter: unknown kernel 'sobl' (did you mean 'sobel'? 'convfilter kernels' lists all)"
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_kernel_can_be_shown(quick, name):
    ran = quick("kernels", name)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"{name} ")
    assert "\n  source      " in ran.out


def test_a_kernel_over_frames_shows_them(quick):
    lines = quick("kernels", "temporal-blur").out.splitlines()
    assert lines[0].startswith("temporal-blur 1x1x3: ")
    told = " ".join(" ".join(lines[1:8]).split())
    assert told == "weights / 4 frame 0 1 frame 1 2 frame 2 1"
    (told,) = json.loads(quick("kernels", "temporal-blur", "--json").out)
    assert told["size"] == {"width": 1, "height": 1, "frames": 3}
    assert "plan" in quick("kernels", "temporal-blur", "--plan", "640x480").out
