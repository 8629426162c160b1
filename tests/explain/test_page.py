"""The interactive page, in a real browser: it computes what the engine computes, and it listens."""

import json
import re
import shlex
import shutil

import numpy as np
import pytest
from filters import COMBINED, SHIPPED, picture
from samples import SAMPLE_IMAGES, load, save

import convfilter as cf
from convfilter.explain import explain_sample
from convfilter.explain.page import Subject, make_page
from convfilter.options import BORDERS_IN_WORDS, FilterOptions

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")

TABLES = {
    **COMBINED,
    "tall": cf.Kernel("tall", ([[1], [-2], [1], [4]],), divisors=(4,), range="signed"),
    "wide": cf.Kernel("wide", ([3, 1, -1, 2],), axes=("column",), divisors=(5,)),
    "pairs": cf.Kernel(
        "pairs", ([[[[1, 2]], [[0, 1]], [[3, 0]]], [[[1, 0]], [[-1, 0]], [[0, 1]]]],), divisors=(6,),
        axes=("output", "channel", "row", "column"),
    ),
}  # fmt: skip
KNOWN = {**SHIPPED, **TABLES}
COFFEE = load(SAMPLE_IMAGES / "coffee.png")


@pytest.fixture(scope="module")  # not longer: while it is open, its event loop runs in this thread
def browser():
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open pages as files; what they say on the console or ask of the network fails the test."""
    contexts, faults = [], []

    def call(html, *, width=1280, height=900, **options):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: faults.extend(other(request.url, path)))
        page.goto(path.as_uri())
        return page

    yield call
    for context in contexts:
        context.close()
    assert not faults


def other(url, path):
    return [] if url == path.as_uri() or url.startswith("data:") else [url]


def page_of(pixels, kernel="sobel", place=(0, 0), *, name="a.png", known=KNOWN, text="text", **options):
    """The page of an image without alpha."""
    names = ("red", "green", "blue") if pixels.ndim == 3 else ("grey",)
    displayed = pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)
    subject = Subject(name, pixels, names, displayed.astype(np.uint8))
    return make_page(subject, cf.get_kernel(kernel, known), known, FilterOptions(**options), place, text)


def data_of(html):
    return json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', html)[1])


def random_options(pick):
    options = {
        "padding": pick("same", "same", "full", "valid", [1, 1], [2, 0]),
        "border": pick("edge", "symmetric", "reflect", "wrap", "zero", "constant"), "fill": pick(0, 0.4, 0.5),
        "stride": pick([1, 1], [1, 1], [2, 2], [1, 3]), "dilation": pick([1, 1], [1, 1], [2, 2], [3, 1]),
        "flip": pick(False, True), "channels": pick("each", "each", "sum", "mean"),
        "range": pick("auto", "auto", "clip", "absolute", "signed", "stretch", "raw"),
        "mix": 1, "threshold": 0,
    }  # fmt: skip
    if pick(False, True):
        options |= {"mix": pick(1, 0.3, 0.5, 0), "threshold": pick(0, 0.02, 0.1)}
        options |= {"padding": "same", "stride": [1, 1], "channels": pick("each", "each", "each", "sum")}
    return options


def for_python(options):
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def random_case(seed, names, tables=tuple(TABLES)):
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    name, options = pick(*names, *tables), random_options(pick)
    own = "channel" in (TABLES.get(name) or cf.get_kernel(name)).axes
    channels = 3 if own else pick(None, 3)
    if own:
        options["channels"] = "each"
    shape = (*rng.integers(1, 12, 2).tolist(), *((channels,) if channels else ()))
    return picture(seed, *shape, dtype=pick("uint8", "uint8", "uint16", "float32")), name, options


COMPUTE = """([kernels, cases]) => cases.map(([image, name, options], number) => {
  try {
    const decoded = decodeImage(image);
    const result = filterImage(decoded, kernels[name], options);
    const { outputs, height, width, axes, bank, padded } = result;
    const upstream = Float64Array.from({ length: height * width }, (_, at) => at - 3);
    const gradients = [inputGradient(upstream, bank.outputs[0][0].slices[0], axes, options.border),
                       kernelGradient(padded[0], upstream, axes)];
    const [made, flowing] = [outputs, gradients].map((all) => all.map((each) => [...each]));
    const place = [number % height, number % width];
    const explained = explainAt(decoded, kernels[name], result, ...place, 0);
    return { height, width, outputs: made, gradients: flowing, place, explained };
  } catch (error) {
    return { error: error.message };
  }
})"""


def test_the_page_computes_and_explains_what_the_program_does(show):
    html = page_of(picture(0, 4, 4))
    kernels = {each["name"]: each for entry in data_of(html)["kernels"] for each in entry["variants"]}
    names = [name for name, each in kernels.items() if len(each["tables"][0][0][0]) <= 15]
    cases = [random_case(seed, names) for seed in range(200)]
    known = {"identity": SHIPPED["identity"]}
    images = (data_of(page_of(pixels, "identity", known=known))["image"] for pixels, _, _ in cases)
    asked = [[image, name, options] for image, (_, name, options) in zip(images, cases, strict=True)]
    results = show(html).evaluate(COMPUTE, [kernels, asked])
    fitting = near = blended = explained = 0
    for (pixels, name, options), found in zip(cases, results, strict=True):
        kernel = TABLES.get(name) or cf.get_kernel(name)
        try:
            expected = cf.apply_kernel(pixels, kernel, **for_python(options))
        except cf.ShapeError:
            assert re.match(
                "the output is empty|the output has another size or other channels", found["error"]
            )
            continue
        fitting += 1
        blended += options["mix"] < 1 or options["threshold"] > 0
        shape = (-1, found["height"], found["width"])
        result = np.moveaxis(np.array(found["outputs"], np.float64).reshape(shape), 0, -1)
        expected = np.atleast_3d(expected)
        assert result.shape == expected.shape
        if expected.dtype.kind == "f":
            largest = max(1, np.abs(expected).max())
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * largest)
        elif kernel.is_integer:
            np.testing.assert_array_equal(result, expected, err_msg=f"{name} {options}")
        else:  # samples near a tie may go either way
            assert np.abs(result - expected).max() <= 1
            near += np.count_nonzero(result != expected)
        if kernel.anchor is None:
            for one, other in zip(found["gradients"], gradients(pixels, kernel, options), strict=True):
                np.testing.assert_allclose(one, np.ravel(other), rtol=1e-9, atol=1e-6)
        if kernel.is_integer and pixels.dtype == np.uint8 and name not in TABLES:
            explained += 1
            chosen = FilterOptions(**for_python(options))
            colours = ("red", "green", "blue")
            assert_explained(
                found["explained"], explain_sample(pixels, [kernel], chosen, found["place"], names=colours)
            )
    assert fitting > 130
    assert explained > 20
    assert blended > 50
    assert near <= 2


def gradients(pixels, kernel, options):
    """The gradients of the first channel, by the engine, from upstream derivatives of -3, -2, ..."""
    weights = kernel.arrays()[0].reshape(-1, kernel.height, kernel.width)[0]
    weights = weights[::-1, ::-1] if options["flip"] else weights
    plane = np.atleast_3d(pixels)[..., 0].astype(float)
    steps = {key: for_python(options)[key] for key in ("padding", "stride", "dilation")}
    upstream = np.arange(np.prod(shape := cf.output_shape(plane.shape, weights.shape, **steps))) - 3.0
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    steps |= {"border": options["border"], "fill": options["fill"] * full}
    upstream = upstream.reshape(shape)
    return (
        cf.input_gradient(upstream, weights, plane.shape, **steps),
        cf.kernel_gradient(plane, upstream, weights.shape, **steps),
    )


def assert_explained(found, wanted):
    assert found["value"] == pytest.approx(wanted.value)
    assert found["anchor"] == [*wanted.anchor[1:]]
    assert_steps(found["steps"], wanted.steps)
    for (_, formula, _), step in zip(found["steps"], wanted.steps, strict=True):
        (words, numbers), (expected, others) = map(taken_apart, (formula, step.formula))
        assert words == expected
        assert numbers == pytest.approx(others, rel=1e-5)  # of a tie, the last digit is rounded either way
    for part, written in zip(found["parts"], wanted.parts, strict=True):
        assert_steps(part["steps"], written.steps)
        for piece, table in zip(part["slices"], written.slices, strict=True):
            for key, array in (
                ("samples", table.window),
                ("weights", table.weights),
                ("border", table.border),
            ):
                assert list(piece[key]) == np.ravel(array).tolist()


def assert_steps(found, wanted):
    assert [name for name, _, _ in found] == [step.name for step in wanted]
    values = [float(step.value) for step in wanted]
    assert [value for _, _, value in found] == pytest.approx(values, abs=1e-9)


def taken_apart(formula):
    number = r"\d+(?:\.\d+)?(?:e[-+]\d+)?"
    return re.split(number, formula), [float(each) for each in re.findall(number, formula)]


def status(page):
    return page.inner_text("#status")


def choose(page, **controls):
    """Set controls by their ids, in order."""
    for name, value in controls.items():
        is_choice = page.locator(f"#{name}").evaluate("(element) => element.tagName === 'SELECT'")
        (page.select_option if is_choice else page.fill)(f"#{name}", value)


def point_at(page, side, row, column, click=False):
    """Move the mouse onto a cell of a grid."""
    grid = page.evaluate("(side) => ({ ...grids[side], content: null, canvas: null })", side)
    box = page.locator(f"#{side}").bounding_box()
    gutter = page.evaluate("GUTTER")
    x = box["x"] + gutter["left"] + (column - grid["left"] + 0.5) * grid["cell"]
    y = box["y"] + gutter["top"] + (row - grid["top"] + 0.5) * grid["cell"]
    page.mouse.move(x, y)
    if click:
        page.mouse.click(x, y)


def test_hover_click_and_keys_move_over_the_output(show):
    pixels = picture(3, 6, 7)
    edges = cf.apply_kernel(pixels, "sobel")
    page = show(page_of(pixels, place=(1, 2)))
    assert status(page) == f"Output row 1, column 2: {edges[1, 2]}"
    point_at(page, "output", 3, 4)
    assert status(page) == f"Output row 3, column 4: {edges[3, 4]}"
    assert page.inner_text(".value") == f"value {edges[3, 4]}"
    point_at(page, "input", 0, 6)
    assert status(page) == f"Output row 0, column 6: {edges[0, 6]}"
    assert page.locator("#calculation td.border").count() == 2 * 5
    page.hover("#weights input >> nth=5")
    assert page.evaluate("state.weight") == [1, 2]
    point_at(page, "output", 2, 2, click=True)
    point_at(page, "output", 5, 5)
    assert status(page) == f"Output row 2, column 2: {edges[2, 2]} (pinned)"
    page.focus("#output")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert status(page) == f"Output row 3, column 1: {edges[3, 1]} (pinned)"
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    assert status(page) == f"Output row 3, column 6: {edges[3, 6]}"
    page.click("#next")
    assert status(page) == f"Output row 4, column 0: {edges[4, 0]}"
    page.locator("#position").fill("40")
    assert status(page) == f"Output row 5, column 5: {edges[5, 5]}"
    page.click("#play")
    page.locator("#status", has_text="Output row 0").wait_for()  # from the last output to the first row
    assert page.inner_text("#play") == "Pause"


def test_sizes_are_those_that_shape_prints(show, quick):
    page = show(page_of(picture(13, 28, 30)))
    choose(page, stride="2,3", dilation="2")
    ran = quick("shape", "30x28", "-k", "3x3", "--stride", "2,3", "--dilation", "2")
    printed = [" ".join(line.split()) for line in ran.out.splitlines()]
    sizes = [" ".join(line.split()) for line in page.locator("#sizes li").all_inner_texts()]
    assert [line.split()[0] for line in sizes] == ["valid", "same", "full"]
    assert set(sizes) <= set(printed)
    assert page.inner_text("#sizes .chosen").startswith("same")
    page.select_option("#padding", "valid")
    assert page.inner_text("#sizes .chosen").startswith("valid")


def test_controls_and_edited_weights_filter_anew(show):
    pixels = picture(4, 9, 8, 3)
    page = show(page_of(pixels, "blur", place=(2, 2), padding=(2, 1), stride=(2, 2), dilation=2))
    set_up = [page.input_value(f"#{name}") for name in ("padding", "samples", "stride", "dilation")]
    assert set_up == ["number", "2,1", "2,2", "2"]
    drawn = [text.replace(":", "") for text in page.locator("#border option").all_inner_texts()]
    assert f"Borders: {', '.join(drawn)} with" in BORDERS_IN_WORDS.replace("=V", "")
    page.select_option("#padding", "same")
    choose(page, kernel="gaussian", parameters="gaussian:sigma=0.5", border="constant", fill="0.5")
    choose(page, stride="2,1", dilation="2", channels="sum", range="stretch")
    expected = cf.apply_kernel(
        pixels, "gaussian:sigma=0.5", border="constant", fill=0.5, stride=(2, 1), dilation=2, channels="sum",
        range="stretch",
    )  # fmt: skip
    assert shown(page) == expected.ravel().tolist()
    page.fill("#stride", "0")
    assert page.inner_text("#error") == "stride: enter N, or N,M (rows, columns), at least 1"
    choose(page, stride="1", channels="each", range="clip", kernel="sobel-x", dilation="1", channel="1")
    page.fill("#weights input >> nth=4", "7.5")
    choose(page, divisor="2", offset="0.25")
    page.check("#flip")
    mine = cf.Kernel("mine", ([[-1, 0, 1], [-2, 7.5, 2], [-1, 0, 1]],), divisors=(2,), offset=0.25)
    options = {"border": "constant", "fill": 0.5, "flip": True, "range": "clip"}
    assert shown(page) == cf.apply_kernel(pixels, mine, **options)[..., 1].ravel().tolist()
    page.fill("#width", "5")
    page.press("#width", "Enter")
    page.locator("#width").blur()
    assert shown(page) == cf.apply_kernel(pixels, mine, **options)[..., 1].ravel().tolist()
    assert page.locator("#weights input").count() == 15


def shown(page):
    return page.evaluate("[...state.result.outputs[state.channel]]")


CHOOSE = """() => data.kernels.filter((each) => !each.unavailable).map(({ name }) => {
  $("kernel").value = name;
  $("kernel").dispatchEvent(new Event("input"));
  const slices = document.querySelectorAll("#calculation .slice").length;
  return { name, slices, error: $("error").textContent, toml: tomlOf(state.kernel, state.kernel.name) };
})"""


def test_every_kernel_of_the_list_can_be_chosen_and_is_the_same_as_toml(show, tmp_path):
    page = show(page_of(picture(5, 20, 20, 3)))
    chosen = {each["name"]: each for each in page.evaluate(CHOOSE)}
    assert page.locator("#kernel option[disabled]").count() == len(KNOWN) - len(chosen)
    assert set(SHIPPED) - set(chosen) == {"temporal-blur", "temporal-edge"}
    for name, found in chosen.items():
        assert found["slices"] >= 1
        assert found["error"] == ""
        kernel, path = KNOWN[name], tmp_path / f"{name}.toml"
        if len(set(kernel.divisors)) == 1:  # a table holds one
            path.write_text(found["toml"])
            read = cf.load_kernels(path)[name]
            for key in ("parts", "divisors", "combine", "offset", "range", "anchor"):
                one, other = (np.squeeze(getattr(each, key)) for each in (read, kernel))
                assert np.array_equal(one, other), (name, key)


def test_what_is_copied_does_the_same(show, tmp_path, quick):
    save(tmp_path / "it's.png", picture(6, 9, 8))
    page = show(page_of(picture(6, 9, 8), name="it's.png"), permissions=["clipboard-read", "clipboard-write"])
    choose(page, padding="number", samples="2,1", border="constant", fill="0.25")
    page.check("#flip")
    page.click("#copy-command")
    options = "--padding 2,1 --border constant=0.25"
    page.locator("#copy-note", has_text="Copied.").wait_for()
    copied = f"convfilter apply 'it'\\''s.png' -k sobel {options} --flip"
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#copied") == copied
    page.select_option("#kernel", "binomial-3")
    page.fill("#weights input >> nth=2", "-3.5")
    page.click("#copy-command")
    copied = page.input_value("#copied")
    assert copied == f"convfilter apply 'it'\\''s.png' -k '1 2 -3.5; 2 4 2; 1 2 1 / 16' {options} --flip"
    ran = quick(*shlex.split(copied)[1:], "-o", "out.png")
    assert ran.code == 0, ran.err
    assert load(tmp_path / "out.png").ravel().tolist() == shown(page)
    page.select_option("#kernel", "emboss")
    page.fill("#weights input >> nth=2", "3")
    page.click("#copy-command")  # its range goes into a file only
    assert "--kernels emboss-edited.toml -k emboss-edited" in page.input_value("#copied")
    page.click("#copy-toml")
    (tmp_path / "emboss-edited.toml").write_text(page.input_value("#copied"))
    edited = cf.load_kernels(tmp_path / "emboss-edited.toml")["emboss-edited"]
    assert (edited.parts[0][0], edited.range) == ((-2, -1, 3), "clip")


def test_a_blend_is_set_and_copied(show, quick, tmp_path):
    pixels = picture(15, 6, 7, 3)
    save(tmp_path / "small.png", pixels)
    blended = ["-k", "sharpen", "--mix", "30%", "--threshold", "0.05"]
    assert quick("explain", "small.png", *blended, "--at", "2,3", "-o", "page.html").code == 0
    page = show((tmp_path / "page.html").read_text(encoding="utf-8"))
    page.click("#copy-command")
    copied = "convfilter apply small.png -k sharpen --mix 0.3 --threshold 0.05"
    assert page.input_value("#copied") == copied
    assert shown(page) == cf.apply_kernel(pixels, "sharpen", mix=0.3, threshold=0.05)[..., 0].ravel().tolist()
    choose(page, mix="50%", threshold="0")
    assert shown(page) == cf.apply_kernel(pixels, "sharpen", mix=0.5)[..., 0].ravel().tolist()
    for wrong in ("", "1.5", "half"):
        page.fill("#mix", wrong)
        assert page.inner_text("#error") == "mix: enter a number from 0 to 1, or 0% to 100%"
    page.fill("#mix", "0")
    assert shown(page) == pixels[..., 0].ravel().tolist()
    page.fill("#threshold", "5%")
    assert page.inner_text("#error") == "threshold: enter a fraction of full scale, such as 0.02"


def test_sums_are_written_out_forward_and_backward(show, quick, tmp_path):
    given = ["--values", "1 2 3 4 5", "--weights", "10 20 30", "--padding", "valid", "--upstream", "1 -1 2"]
    assert quick("explain", *given, "-o", "made.html").complaints == ["convfilter: page written to made.html"]
    html = (tmp_path / "made.html").read_text(encoding="utf-8")
    assert "dL/dw2 = d1*x2 + d2*x3 + d3*x4 = 1*2 + (-1)*3 + 2*4 = 2 - 3 + 8 = 7\n" in html
    page = show(html)
    page.click("#copy-command")
    _, *copied = shlex.split(page.input_value("#copied"))
    assert quick(*copied).out == quick("explain", *given).out
    assert page.locator("#weight-gradient td").all_inner_texts() == ["5", "7", "9"]
    point_at(page, "input", 0, 2)
    assert status(page) == "Gradient with respect to input row 0, column 2: 30"
    text = page.inner_text("#calculation")
    assert "dL/dx[0,2] = d[0,0]·w[0,2] + d[0,1]·w[0,1] + d[0,2]·w[0,0]" in text
    assert "= 30 - 20 + 20" in text
    point_at(page, "input", 0, 0)
    assert page.inner_text(".slice .sum").split("\n") == ["1·10", "= 10"]
    page.hover("#weights input >> nth=1")
    assert status(page) == "Gradient with respect to weight row 0, column 1: 7"
    text = page.inner_text("#calculation")
    assert "dL/dw[0,1] = d[0,0]·x[0,1] + d[0,1]·x[0,2] + d[0,2]·x[0,3]" in text
    assert "1·2 + (-1)·3 + 2·4" in text
    point_at(page, "output", 0, 1, click=True)
    page.fill("#derivative", "0")
    assert page.input_value("#upstream") == "edited"
    assert page.locator("#weight-gradient td").all_inner_texts() == ["7", "10", "13"]
    page.check("#forward")
    point_at(page, "output", 0, 0, click=True)
    lines = page.inner_text("#calculation .sum").split("\n")
    assert lines == ["10·1 + 20·2 + 30·3", "= 10 + 40 + 90", "= 140"]
    assert shown(page) == [140, 200, 260]


@pytest.mark.parametrize("summed", [False, True])
def test_backward_numbers_are_the_engines(show, summed):
    pixels = picture(7, 6, 5, 3)
    page = show(page_of(pixels, "ahead", flip=True, channels="sum" if summed else "each"))
    page.check("#backward")
    page.select_option("#upstream", "counted")
    found = page.evaluate("gradientsOf()")
    weights = np.array(TABLES["ahead"].parts[0])[::-1, ::-1]
    upstream = np.arange(1, 31).reshape(6, 5)
    steps = {"padding": ((0, 2), (0, 1))}  # the anchor, (2, 1), is rotated with the kernel
    by_sample = cf.input_gradient(upstream, weights, (6, 5), **steps)
    planes = range(3) if summed else [0]
    by_weight = sum(cf.kernel_gradient(pixels[..., each], upstream, (3, 2), **steps) for each in planes)
    assert found["samples"] == [(by_sample / 2).ravel().tolist()] * len(planes)
    assert found["weights"] == (by_weight[::-1, ::-1] / 2).ravel().tolist()
    page.hover("#weights input >> nth=1")
    assert f"divide\t{by_weight[2, 0]} / 2\t" in page.inner_text("#calculation .steps")


def test_a_page_is_small_and_its_numbers_are_the_files(show):
    html = page_of(COFFEE, place=(250, 300))
    data = data_of(html)
    beside = len(html) - len(data["image"]["samples"]) - len(data["crop"]["picture"])
    assert beside <= 300_000
    page = show(html)
    edges = cf.apply_kernel(COFFEE, "sobel")
    assert status(page) == f"Output row 250, column 300, red: {edges[250, 300, 0]}"
    height, width = data["image"]["height"], data["image"]["width"]
    assert max(height, width) <= 200
    top, left = data["crop"]["top"], data["crop"]["left"]
    result = np.reshape(page.evaluate("state.result.outputs.map((each) => [...each])"), (3, height, width))
    inside = edges[top : top + height, left : left + width]
    np.testing.assert_array_equal(np.moveaxis(result, 0, -1)[1:-1, 1:-1], inside[1:-1, 1:-1])
    page.fill("#stride", "3")
    third = cf.apply_kernel(COFFEE, "sobel", stride=3)
    row, column = page.evaluate("shifted([state.row, state.column], outputOrigin())")
    assert status(page) == f"Output row {row}, column {column}, red: {third[row, column, 0]}"


def test_a_kernel_that_reaches_past_the_crop_is_no_fault(show):
    page = show(page_of(picture(14, 260, 260), "box:size=63", padding="valid", dilation=4))
    assert page.inner_text("#error").startswith(
        "the output is empty: the height, 200, is smaller than the kernel's, 63"
    )
    for button in ("#next", "#closer", "#copy-command"):
        page.click(button)
    page.locator("#position").fill("0")
    page.hover("#output")
    page.check("#backward")
    page.fill("#dilation", "1")
    assert page.inner_text("#error") == ""


def test_another_place_of_the_image_is_a_command_away(show):
    page = show(page_of(COFFEE, place=(250, 300)))
    page.click("#thumbnail", position={"x": 2, "y": 3})
    assert re.fullmatch(
        r"convfilter explain a.png -k sobel --at \d,\d -o page.html --overwrite", page.input_value("#copied")
    )
    page.click("#thumbnail", position={"x": 80, "y": 70})
    assert status(page).endswith("(pinned)")


def test_names_with_markup_are_harmless_and_the_explanation_needs_no_javascript(show):
    name = "a</script><script>alert(1)</script><img src=x onerror=alert(2)>.png"
    known = {"odd": cf.Kernel("odd", ([[1]],), summary="</script><script>alert(3)</script>\u2028"), **SHIPPED}
    page = show(page_of(picture(8, 3, 3), "odd", name=name, known=known, text=name))
    assert page.inner_text("h1") == f"Convolution step by step: {name}"
    assert page.inner_text("pre") == name
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("main").is_visible()
    page.click("#copy-command")
    assert page.input_value("#copied").endswith(">.png' -k '[1]'")
    page = show(page_of(picture(9, 3, 3), text=name), java_script_enabled=False)
    assert (page.inner_text("pre"), page.locator("main").is_hidden()) == (name, True)
    assert "unsafe" not in page.get_attribute("meta[http-equiv]", "content")  # no other script would run


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_screen_and_its_controls_have_names(show, scheme):
    page = show(page_of(COFFEE, place=(250, 300)), width=400, color_scheme=scheme)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert page.locator("#input").bounding_box()["width"] <= 400
        page.check("#backward")
    nameless = page.locator("input, select, button, textarea, canvas").evaluate_all(
        "(all) => all.filter((each) => !each.ariaLabel && !each.labels?.length && !each.textContent.trim())"
        ".map((each) => each.id)"
    )
    assert nameless == []


def test_the_command_writes_a_page(show, quick, tmp_path):
    save(tmp_path / "small.png", picture(11, 30, 40, 3))
    arguments = ("explain", "small.png", "-k", "gaussian:sigma=3", "--stride", "2", "-o", "page.html")
    ran = quick(*arguments, "--channel", "green")
    assert (ran.code, ran.err) == (0, "convfilter: page written to page.html\n")
    page = show((tmp_path / "page.html").read_text(encoding="utf-8"))
    value = cf.apply_kernel(picture(11, 30, 40, 3), "gaussian:sigma=3", stride=2)[7, 10, 1]
    assert status(page) == f"Output row 7, column 10, green: {value}"
    assert page.inner_text("pre").endswith(ran.out.strip().splitlines()[-1])
    assert quick(*arguments).code == 1  # it exists
    assert quick(*arguments, "--at", "0,0", "--overwrite").code == 0
    rows = "\n".join(",".join(map(str, range(column, column + 6))) for column in range(5))
    (tmp_path / "rows.csv").write_text(rows)
    assert quick("explain", "rows.csv", "--weights", "1 2 1", "-o", "rows.html").code == 0
    page = show((tmp_path / "rows.html").read_text(encoding="utf-8"))
    page.click("#copy-command")
    assert page.input_value("#copied") == "convfilter explain rows.csv --weights '1 2 1' --at 2,3"
    assert status(page) == "Output row 2, column 3: 20"
