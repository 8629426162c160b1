"use strict";

// The interactive page of `convfilter explain`: its state and controls. `arithmetic.js` computes, `drawing.js` draws.

// ---- State ----------------------------------------------------------------------------------------------------------

const state = {
  kernel: null, // the one in use; `edited` if the reader has changed it
  options: null, result: null,
  row: 0, column: 0, channel: 0, // the output that is explained
  pinned: false, timer: 0,
  cell: null, // side of a cell in pixels; null chooses one in which numbers fit
  table: { part: 0, output: 0, channel: 0 }, // the table of weights that the editor shows
  focus: { kind: "sample", row: 0, column: 0, plane: 0 }, // of the backward mode
  upstream: new Float64Array(0), gradients: null,
  weight: null, // row and column of the weight under the pointer
};

/** What rows and columns are counted from: the crop's place in the image, so that numbers are the file's own. */
const inputOrigin = data.crop ? [data.crop.top, data.crop.left] : [0, 0];
const outputOrigin = () => {
  const strides = state.options.stride;
  return inputOrigin.every((start, axis) => start % strides[axis] === 0)
    ? inputOrigin.map((start, axis) => start / strides[axis]) : [0, 0]; // outputs out of step with the image's
};
const backward = () => $("backward").checked;
const isStale = () => $("error").textContent !== ""; // what is shown is of earlier settings
const shownPlanes = () => (state.result.bank.summed ? image.planes.map((_, plane) => plane) : [state.channel]);
const outputAt = () => state.row * state.result.width + state.column; // counted row by row
const chosenPart = () => state.result.bank.outputs[state.result.bank.summed ? state.channel : 0][state.table.part];

/** Read the controls; an Error says what is wrong with one. */
function readOptions() {
  const check = (id, fits, asked, name = id) => {
    $(id).setAttribute("aria-invalid", String(!fits));
    if (!fits) throw new Error(`${name}: enter ${asked}`);
  };
  const pair = (id, least) => {
    const match = /^\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?$/.exec($(id).value);
    const numbers = match ? [Number(match[1]), Number(match[2] ?? match[1])] : [-1];
    check(id, Math.min(...numbers) >= least, `N, or N,M (rows, columns), at least ${least}`);
    return numbers;
  };
  const fraction = (id, asked, most = Infinity) => {
    const [, number, percent] = /^\s*(\S+?)\s*(%?)\s*$/.exec($(id).value) ?? [];
    const value = Number(number) / (percent ? 100 : 1);
    check(id, value >= 0 && value <= most && value < Infinity && !(percent && most > 1), asked);
    return value;
  };
  const fill = Number($("fill").value);
  check("fill", Number.isFinite(fill), "a number", "value of the border");
  return {
    padding: $("padding").value === "number" ? pair("samples", 0) : $("padding").value,
    border: $("border").value,
    fill,
    stride: pair("stride", 1),
    dilation: pair("dilation", 1),
    flip: $("flip").checked,
    channels: state.kernel.own ? "each" : $("channels").value,
    range: $("range").value,
    mix: fraction("mix", "a number from 0 to 1, or 0% to 100%", 1),
    threshold: fraction("threshold", "a fraction of full scale, such as 0.02"),
  };
}

/** Compute everything anew after a control or a weight has changed. */
function recompute() {
  try {
    const options = readOptions();
    Object.assign(state, { options, result: filterImage(image, state.kernel, options) });
    $("error").textContent = "";
  } catch (error) {
    $("error").textContent = error.message;
  }
  document.body.classList.toggle("stale", isStale());
  if (isStale()) return;
  const { result } = state;
  state.row = clamp(state.row, 0, result.height - 1);
  state.column = clamp(state.column, 0, result.width - 1);
  state.channel = clamp(state.channel, 0, result.outputs.length - 1);
  $("position").max = result.height * result.width - 1;
  fillUpstream();
  showControls();
  showSizes();
  showCommand("");
  buildContents();
  update();
}

/** Set the upstream gradients: one derivative for each output. */
function fillUpstream() {
  const { height, width } = state.result;
  const kind = $("upstream").value;
  if (kind === "edited" && state.upstream.length === height * width) return;
  if (kind === "edited") $("upstream").value = "ones";
  state.upstream = Float64Array.from({ length: height * width }, (_, at) => {
    if (kind === "single") return at === outputAt() ? 1 : 0;
    return kind === "counted" ? at + 1 : 1;
  });
}

/** Go to an output; outside the output it is the nearest one. */
function move(row, column, pin = state.pinned) {
  if (isStale()) return;
  Object.assign(state, {
    row: clamp(row, 0, state.result.height - 1), column: clamp(column, 0, state.result.width - 1), pinned: pin,
  });
  if (backward() && $("upstream").value === "single") {
    fillUpstream();
    buildContents();
  }
  update();
}

/** In the backward mode: explain the gradient by a sample or by a weight. */
function focus(kind, row, column, plane = 0) {
  const changed = (kind === "weight") !== (state.focus.kind === "weight");
  state.focus = { kind, row, column, plane };
  if (kind === "sample") {
    state.focus.row = clamp(row, 0, image.height - 1);
    state.focus.column = clamp(column, 0, image.width - 1);
  }
  if (changed) buildContents(); // a weight's gradient is about the samples, not about their gradients
  update();
}

/** The gradients by the samples of each plane shown, and by the weights of the table in the editor. */
function gradientsOf() {
  const { axes, padded } = state.result;
  const { slices, divisor } = chosenPart();
  const planes = shownPlanes();
  const samples = planes.map((_, slice) => (
    inputGradient(state.upstream, slices[slice], axes, state.options.border).map((value) => value / divisor)
  ));
  // Channels that share the weights add up.
  const shared = state.kernel.own ? [planes[state.table.channel]] : planes;
  const weights = new Float64Array(slices[0].length);
  for (const plane of shared) {
    kernelGradient(padded[plane], state.upstream, axes).forEach((value, index) => { weights[index] += value / divisor; });
  }
  return { samples, weights: state.options.flip ? weights.reverse() : weights, divisor, shared };
}

/** What the two grids show, from the results. */
function buildContents() {
  const { axes, outputs, height, width, settings } = state.result;
  const inside = { top: 0, left: 0, rows: height, columns: width, origin: outputOrigin() };
  const [rows, columns] = axes;
  const padded = { top: -rows.before, left: -columns.before, rows: rows.before + rows.size + rows.after,
                   columns: columns.before + columns.size + columns.after, origin: inputOrigin };
  const stops = (at, { stride, before, anchor, output }) => {
    const moved = at + before - anchor;
    return moved >= 0 && moved < output * stride && moved % stride === 0;
  };
  if (rows.stride > 1 || columns.stride > 1) {
    padded.dotted = (row, column) => stops(row, rows) && stops(column, columns);
  }
  padded.hatched = (...place) => isBorder(place, axes);
  const coloured = $("colours").checked && isColour && !backward();
  if (backward()) {
    state.gradients = gradientsOf();
    const { samples } = state.gradients;
    const planes = shownPlanes();
    if (state.focus.kind === "sample" && $("show").value === "gradient") {
      const [colourOf, names] = [diverging(largestOf(samples)), planes.length > 1 ? image.names : []];
      grids.input.content = {
        top: 0, left: 0, rows: rows.size, columns: columns.size, origin: inputOrigin,
        planes: samples.map((each, at) => planeOf(each, columns.size, colourOf, names[at])),
      };
    } else {
      grids.input.content = { ...padded, planes: paddedPlanes(planes) };
    }
    const upstream = planeOf(state.upstream, width, diverging(largestOf([state.upstream])));
    grids.output.content = { ...inside, planes: [upstream] };
    return;
  }
  grids.input.content = { ...padded, planes: paddedPlanes(shownPlanes(), coloured) };
  const signed = settings.range === "raw" && leastAndMost(outputs)[0] < 0;
  const own = settings.range === "raw" ? greys(...leastAndMost(outputs)) : imageScale;
  const colourOf = signed ? diverging(largestOf(outputs)) : own;
  const mixed = coloured && outputs.length === 3 && !signed ? inColour(outputs) : colourOf;
  grids.output.content = { ...inside, planes: [planeOf(outputs[state.channel], width, mixed)] };
}

/** Planes of the image with their border on. */
function paddedPlanes(numbers, coloured = false) {
  const { padded } = state.result;
  const colourOf = coloured ? inColour(padded.map(({ samples }) => samples)) : imageScale;
  return numbers.map((number) => (
    planeOf(padded[number].samples, padded[number].width, colourOf, numbers.length > 1 ? image.names[number] : "")
  ));
}

/** Draw everything for the output, sample or weight in focus. */
function update() {
  if (isStale()) return;
  layOut();
  $("position").value = outputAt();
  const gradient = backward() && $("show").value === "gradient" && state.focus.kind === "sample";
  $("left-name").textContent = gradient ? "Gradient with respect to the input" : "Input";
  (backward() ? updateBackward : updateForward)();
  drawMap();
}

/** Where a weight of the table is applied: with `flip` at the opposite place. */
function turned(row, column) {
  const [rows, columns] = state.result.axes;
  return state.options.flip ? [rows.kernel - 1 - row, columns.kernel - 1 - column] : [row, column];
}

function updateForward() {
  const { result, options, row, column, channel } = state;
  const explained = explainAt(image, state.kernel, result, row, column, channel);
  const [rows, columns] = result.axes;
  reveal(grids.input, explained.top, explained.left, rows.reach, columns.reach);
  reveal(grids.output, row, column);
  const { top, left } = explained;
  const marks = windowMarks(top, left, rows.kernel, columns.kernel, options.dilation, theme.accent);
  if (state.weight) {
    const [a, b] = turned(...state.weight);
    marks.push({ row: top + a * rows.dilation, column: left + b * columns.dilation, colour: theme.second });
  }
  draw(grids.input, marks);
  draw(grids.output, [{ row, column, colour: theme.accent }]);
  const of = result.outputs.length > 1 ? `, ${outputNames()[channel]}` : "";
  say(`Output ${placeOf([row, column], outputOrigin())}${of}: ${figure(explained.value)}`,
    `The anchor of the kernel is over ${placeOf(explained.anchor, inputOrigin)} of the input.`);
  const parts = explained.parts.map((part, number) => make("section", {},
    ...(explained.parts.length > 1 ? [make("h3", {}, `Part ${number + 1}`)] : []),
    ...part.slices.map((slice) => sliceOf(slice, columns.kernel, ["samples", "weights"])),
    stepsOf(part.steps.filter(([, formula]) => formula !== "all products")),
  ));
  $("calculation").replaceChildren(make("div", { className: "parts" }, ...parts), stepsOf(explained.steps),
    make("p", { className: "value" }, `value ${figure(explained.value)}`));
}

function updateBackward() {
  const { weights } = state.gradients;
  const { kernel } = state.result.axes[1];
  $("weight-gradient").replaceChildren(numbersOf("dL/dw", weights, kernel, diverging(largestOf([weights]))));
  (state.focus.kind === "weight" ? explainWeight : explainSample)(state.focus);
  if (document.activeElement !== $("derivative")) {
    $("derivative").value = figure(state.upstream[outputAt()]);
  }
  $("derivative-name").textContent = `Upstream at ${placeOf([state.row, state.column], outputOrigin())}`;
}

/** A sample's gradient: the outputs that it feeds, each one's derivative times the weight between them. */
function explainSample({ row, column, plane: asked }) {
  const { axes, width } = state.result;
  const { samples, divisor } = state.gradients;
  const plane = clamp(asked, 0, samples.length - 1);
  const gradient = samples[plane][row * axes[1].size + column];
  const weights = chosenPart().slices[plane];
  const terms = feeds(row, axes[0], state.options.border).flatMap(([i, a, y]) => (
    feeds(column, axes[1], state.options.border).map(([j, b, x]) => ({
      i, j, y, x, place: turned(a, b),
      weight: weights[a * axes[1].kernel + b], derivative: state.upstream[i * width + j],
    }))
  ));
  const outputs = new Map(terms.map((term) => [`${term.i},${term.j}`, term]));
  const [first, last] = [terms[0], terms.at(-1)];
  reveal(grids.input, row, column);
  if (terms.length) reveal(grids.output, first.i, first.j, last.i - first.i + 1, last.j - first.j + 1);
  const copies = grids.input.content.top < 0 || grids.input.content.left < 0 ? terms : [];
  draw(grids.input, [
    ...copies.map(({ y, x }) => ({ row: y, column: x, colour: theme.second, thin: true, plane })),
    { row, column, colour: theme.accent, plane },
  ]);
  draw(grids.output, [...outputs.values()].map(({ i, j }) => ({ row: i, column: j, colour: theme.accent, thin: true })));
  markWeights(terms.map((term) => term.place));
  const name = shownPlanes().length > 1 ? `, ${image.names[shownPlanes()[plane]]}` : "";
  const here = shifted([row, column], inputOrigin);
  const through = terms.length > outputs.size ? `, some of them through the border, by ${terms.length} products` : "";
  say(`Gradient with respect to input ${placeOf([row, column], inputOrigin)}${name}: ${figure(gradient)}`, !terms.length
    ? "No output uses this sample."
    : `The sample feeds ${outputs.size} output${outputs.size === 1 ? "" : "s"}${through}. ` +
      "The derivative of each output flows back through the weight between them.");
  if (!terms.length) return showGradient(`dL/dx[${here}]`, gradient);
  const slice = multiplied({
    samples: terms.map((term) => term.derivative), weights: terms.map((term) => term.weight),
    border: terms.map(({ y, x }) => y !== row || x !== column),
  });
  const symbols = terms.map(({ i, j, place }) => `d[${shifted([i, j], outputOrigin())}]·w[${place}]`);
  const breadth = new Set(terms.map((term) => term.j)).size;
  const square = terms.length === outputs.size;
  const columns = square ? breadth : terms.length;
  return showGradient(`dL/dx[${here}]`, gradient, writtenOut(symbols, 18),
    sliceOf(slice, columns, ["upstream", "weights (rotated)"], square), stepsOf(divided(slice.sum, divisor)));
}

/** A weight's gradient: the correlation of all outputs' derivatives with the samples that the weight met. */
function explainWeight({ row, column }) {
  const { axes, padded, height, width } = state.result;
  const { weights, divisor, shared } = state.gradients;
  const [rows, columns] = axes;
  const [a, b] = turned(row, column);
  const [top, left] = [a * rows.dilation - rows.before, b * columns.dilation - columns.before];
  const placeAt = (at) => [Math.floor(at / width), at % width];
  const metAt = (at) => [top + placeAt(at)[0] * rows.stride, left + placeAt(at)[1] * columns.stride];
  const [met, output] = [metAt(outputAt()), [state.row, state.column]];
  const pair = ([row, column]) => ({ row, column, colour: theme.second });
  reveal(grids.input, ...met);
  reveal(grids.output, ...output);
  draw(grids.input, [...windowMarks(top, left, height, width, state.options.stride, theme.accent), pair(met)]);
  draw(grids.output, [{ row: 0, column: 0, rows: height, columns: width, colour: theme.accent }, pair(output)]);
  markWeights([[row, column]]);
  const value = weights[row * columns.kernel + column];
  say(`Gradient with respect to weight row ${row}, column ${column}: ${figure(value)}`,
    `The weight met ${height * width} samples, one for each output (one such pair is marked blue). ` +
    "Its gradient is the correlation of these samples with the upstream gradients.");
  // Outputs without a derivative add nothing; large sums are clearer without them.
  const all = Array.from(state.upstream.keys());
  const small = Math.max(height, width) <= 11;
  const used = small ? all : all.filter((at) => state.upstream[at] !== 0);
  const slices = shared.map((plane) => multiplied({
    name: shared.length > 1 ? image.names[plane] : "",
    samples: used.map((at) => state.upstream[at]),
    weights: used.map((at) => sampleAt(padded[plane], metAt(at))),
    border: used.map((at) => isBorder(metAt(at), axes)),
  }));
  const sums = slices.map(({ sum }) => sum);
  const whole = sums.length > 1 ? [["sum", added(sums), sumOf(sums)]] : [];
  const symbols = used.slice(0, 12).map((at) => (
    `d[${shifted(placeAt(at), outputOrigin())}]·x[${shifted(metAt(at), inputOrigin)}]`
  ));
  const more = used.length > symbols.length ? " + …" : "";
  showGradient(`dL/dw[${row},${column}]`, value, `${symbols.join(" + ")}${more}`,
    ...(used.length < all.length ? [make("p", { className: "note" }, "Outputs whose upstream is 0 are left out.")] : []),
    ...slices.map((slice) => sliceOf(slice, width, ["upstream", "samples"], small)),
    stepsOf([...whole, ...divided(value * divisor, divisor)]));
}

/** Show a gradient: its sum in symbols, if there is one, how that is computed, and the value. */
function showGradient(name, value, symbols = "", ...content) {
  const sum = symbols ? [make("p", { className: "sum" }, `${name} = ${symbols}`)] : [];
  $("calculation").replaceChildren(...sum, ...content, make("p", { className: "value" }, `${name} = ${figure(value)}`));
}

const shifted = (place, origin) => place.map((index, axis) => index + origin[axis]);
const placeOf = (place, origin) => `row ${shifted(place, origin).join(", column ")}`;

function say(title, text) {
  $("status").textContent = `${title}${state.pinned ? " (pinned)" : ""}`;
  $("where").textContent = text;
}

/** The sizes for each padding, as `convfilter shape` prints them. */
function showSizes() {
  const { options, kernel } = state;
  const named = ["valid", "same", "full"].includes(options.padding) ? [] : [options.padding];
  const rows = [...named, "valid", "same", "full"].map((padding) => {
    const [height, width] = axesOf(image.height, image.width, kernel, { ...options, padding });
    const none = height.output < 1 || width.output < 1;
    const size = none ? "nothing left" : `${width.output} x ${height.output}`;
    const formulas = [`width ${formulaOf(width)}`, `height ${formulaOf(height)}`].map((line) => make("div", {}, line));
    const chosen = String(padding) === String(options.padding);
    const line = make("li", { className: chosen ? "chosen" : "" }, make("span", {}, String(padding)), ` ${size}`, ...formulas);
    if (chosen) line.setAttribute("aria-current", "true");
    return line;
  });
  $("sizes").replaceChildren(...rows);
  const weights = kernel.tables.flat(4).length;
  const { height, width } = state.result;
  $("counts").textContent = `${weights} weights, ${(weights * height * width).toLocaleString("en")} multiplications ` +
    `(${$("padding").selectedOptions[0].textContent}), receptive field ` +
    `${state.result.axes[1].reach}\u00a0x\u00a0${state.result.axes[0].reach} (width x height)`;
}

// ---- Controls -------------------------------------------------------------------------------------------------------

const outputNames = () => {
  const { length } = state.result.outputs;
  if (length === image.names.length) return image.names;
  return length === 1 ? ["sum"] : Array.from({ length }, (_, number) => `channel ${number}`);
};

const option = (value, text, selected) => make("option", { value, selected }, text);

/** Show the controls that apply, with the choices there are. */
function showControls() {
  const { kernel, result, options } = state;
  const show = (id, shown) => { $(id).closest("label").hidden = !shown; };
  show("samples", $("padding").value === "number");
  show("fill", options.border === "constant");
  show("channels", image.planes.length > 1 && !kernel.own);
  show("range", Boolean(image.depth) && !backward());
  for (const id of ["mix", "threshold"]) show(id, Boolean(image.depth) && (!backward() || blends(options)));
  show("channel", result.outputs.length > 1);
  show("colours", isColour && !backward());
  show("show", backward());
  show("upstream", backward());
  show("derivative", backward());
  $("forward-hint").hidden = backward();
  $("backward-hint").hidden = !backward();
  $("weight-gradient").hidden = !backward();
  $("right-name").textContent = backward() ? "Upstream gradient" : "Output";
  $("part-note").hidden = !(backward() && (kernel.combine || kernel.offset || image.depth));
  $("range").options[0].textContent = options.range === "auto" ? `auto: ${result.settings.range}` : "auto";
  $("dots").hidden = backward() || Math.max(...options.stride) === 1;
  $("channel").replaceChildren(...outputNames().map((name, at) => option(at, name, at === state.channel)));
  if (!backward()) markWeights([]);
}

/** Take a kernel from the list. */
function chooseKernel(name, variant) {
  const entry = data.kernels.find((each) => each.name === name);
  const chosen = entry.variants.find((each) => each.name === variant) ?? entry.variants[0];
  state.kernel = structuredClone(chosen);
  state.table = { part: 0, output: 0, channel: 0 };
  $("kernel").value = name;
  $("parameters").replaceChildren(...entry.variants.map((each) => option(each.name, each.label, each === chosen)));
  $("parameters").closest("label").hidden = entry.variants.length < 2;
  $("summary").textContent = entry.summary;
  showEditor();
}

/** Show the table of weights that is being edited, with its size, divisor and the like. */
function showEditor() {
  const { kernel, table } = state;
  const names = kernel.tables.flatMap((part, p) => part.flatMap((output, o) => output.map((_, c) => ({
    value: `${p},${o},${c}`,
    text: [kernel.tables.length > 1 && `part ${p + 1}`, part.length > 1 && `to ${image.names[o] ?? o}`,
           kernel.own && `from ${image.names[c] ?? c}`].filter(Boolean).join(", "),
  }))));
  $("table").replaceChildren(...names.map(({ value, text }) => (
    option(value, text, value === `${table.part},${table.output},${table.channel}`)
  )));
  $("table").closest("label").hidden = names.length < 2;
  const rows = kernel.tables[table.part][table.output][table.channel];
  const editable = rows.length <= 15 && rows[0].length <= 15;
  const field = (weight, y, x) => {
    const value = figure(weight, rows[0].length > 5 ? 2 : 6);
    const input = make("input", { value, inputMode: "decimal", autocomplete: "off", ariaLabel: `weight row ${y}, column ${x}` });
    input.dataset.place = [y, x];
    return make("td", {}, input);
  };
  const fields = () => rows.map((row, y) => make("tr", {}, ...row.map((weight, x) => field(weight, y, x))));
  const fixed = () => {
    const colourOf = diverging(largestOf([rows.flat()]));
    return make("tr", {}, make("td", {}, numbersOf("up to 15x15 can be edited", rows.flat(), rows[0].length, colourOf)));
  };
  $("weights").replaceChildren(...(editable ? fields() : [fixed()]));
  $("width").value = rows[0].length;
  $("height").value = rows.length;
  $("divisor").value = kernel.divisors[table.part];
  $("offset").value = kernel.offset;
  $("combine").value = kernel.combine ?? "";
  $("combine").closest("label").hidden = kernel.tables.length < 2;
  for (const id of ["width", "height"]) $(id).disabled = !editable;
  colourWeights();
}

function colourWeights() {
  const rows = state.kernel.tables[state.table.part][state.table.output][state.table.channel];
  const colourOf = diverging(largestOf([rows.flat()]));
  for (const input of $("weights").querySelectorAll("input")) {
    const [row, column] = input.dataset.place.split(",");
    paint(input, colourOf(rows[row][column]));
  }
}

/** Mark the weights that take part, by row and column. */
function markWeights(places) {
  const marked = new Set(places.map(String));
  for (const input of $("weights").querySelectorAll("input")) {
    input.classList.toggle("used", marked.has(input.dataset.place));
  }
}

/** A kernel's name as it may stand in a kernel file. */
const plainName = (kernel) => kernel.name.replace(/[^A-Za-z0-9_.+-]/g, "-");

/** Change the kernel by the reader's hand. */
function edit(change) {
  const { kernel } = state;
  change(kernel);
  const name = `${plainName(kernel).slice(0, 57)}-edited`;
  if (!kernel.edited) Object.assign(kernel, { edited: true, named: false, name });
  recompute();
}

/** Give every table a size, with the weights kept around the anchor. */
function resize(kernel, height, width) {
  const fit = (list, length, make) => {
    const shift = ((length - 1) >> 1) - ((list.length - 1) >> 1);
    return Array.from({ length }, (_, at) => list[at - shift] ?? make());
  };
  kernel.anchor = null;
  kernel.tables = kernel.tables.map((part) => part.map((output) => output.map((rows) => (
    fit(rows.map((row) => fit(row, width, () => 0)), height, () => Array(width).fill(0))
  ))));
}

const written = (rows) => rows.map((row) => row.join(" ")).join("; ");
const isSingle = ({ tables, own, anchor }) => tables.length === 1 && !own && !anchor;

/** How a command gets the kernel: by its name, as numbers, or from the file that its TOML goes into. */
function kernelWords() {
  const { kernel } = state;
  if (kernel.named) return ["-k", kernel.name];
  const [[[rows]]] = kernel.tables;
  if (isSingle(kernel) && !kernel.offset && kernel.range === "auto" && rows.flat().length <= 49) {
    const numbers = rows.flat().length === 1 ? `[${rows[0][0]}]` : written(rows);
    return ["-k", kernel.divisors[0] === 1 ? numbers : `${numbers} / ${kernel.divisors[0]}`];
  }
  return ["--kernels", `${plainName(kernel)}.toml`, "-k", plainName(kernel)];
}

/** The options that are not the usual ones. */
function optionWords() {
  const { options } = state;
  const pair = ([rows, columns]) => (rows === columns ? `${rows}` : `${rows},${columns}`);
  const usual = { padding: "same", border: "edge", stride: "1", dilation: "1", channels: "each", range: "auto",
                  mix: 1, threshold: 0 };
  const words = Object.entries(usual).flatMap(([name, value]) => {
    const chosen = Array.isArray(options[name]) ? pair(options[name]) : options[name];
    const fill = chosen === "constant" ? `=${options.fill}` : "";
    return chosen === value || (name === "range" && !image.depth) ? [] : [`--${name}`, chosen + fill];
  });
  return options.flip ? [...words, "--flip"] : words;
}

/** The command that does the same at the command line. */
function commandOf() {
  if (image.depth) return command("apply", data.source, ...kernelWords(), ...optionWords(), ...data.further);
  const rowsOf = (values, width) => (
    Array.from({ length: values.length / width }, (_, y) => [...values.slice(y * width, (y + 1) * width)])
  );
  const plain = isSingle(state.kernel) && state.kernel.divisors[0] === 1 && !state.kernel.offset;
  const kernel = plain ? ["--weights", written(state.kernel.tables[0][0][0])] : kernelWords();
  const at = shifted([state.row, state.column], outputOrigin()).join(",");
  const source = /\.csv$/i.test(data.source) ? [data.source] : ["--values", written(rowsOf(image.planes[0], image.width))];
  const shown = backward() && isSingle(state.kernel)
    ? ["--upstream", written(rowsOf(state.upstream, state.result.width))] : ["--at", at];
  return command("explain", ...source, ...kernel, ...optionWords(), ...shown);
}

function command(...words) {
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  return ["convfilter", ...words].map(quoted).join(" ");
}

function showCommand(text, note = "") {
  $("copied").hidden = !text;
  $("copied").value = text;
  $("copied").rows = Math.min(12, text.split("\n").length + 1);
  $("copy-note").textContent = note;
}

async function copy(text, hint = "") {
  showCommand(text);
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    $("copied").select();
    done = document.execCommand("copy"); // where a page has no clipboard
  }
  showCommand(text, `${done ? "Copied." : "Select the text and copy it."} ${hint}`);
}

function play(on) {
  clearInterval(state.timer);
  state.timer = on ? setInterval(() => step(1), 450) : 0;
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
}

/** Go to the next output, or back, row by row; at the end from the start. */
function step(by) {
  if (isStale()) return;
  const { height, width } = state.result;
  const at = (outputAt() + by + height * width) % (height * width);
  if (backward()) focusOn(at);
  else move(Math.floor(at / width), at % width);
}

/** In the backward mode the slider follows the outputs: the sample under the kernel's anchor is explained. */
function focusOn(at) {
  const { axes, width } = state.result;
  Object.assign(state, { row: Math.floor(at / width), column: at % width });
  const [row, column] = [state.row, state.column].map((index, axis) => (
    index * axes[axis].stride - axes[axis].before + axes[axis].anchor
  ));
  if ($("upstream").value === "single") fillUpstream();
  buildContents();
  focus("sample", row, column, state.focus.plane);
}

/** The output whose anchor is nearest to a place of the input. */
function outputNear(row, column) {
  return state.result.axes.map(({ stride, before, anchor }, axis) => (
    Math.round(([row, column][axis] + before - anchor) / stride)
  ));
}

function point(side, cell, click) {
  if (!cell || isStale() || (state.pinned && !click)) return;
  const input = side === "input";
  if (backward() && input) {
    state.pinned = click && !(state.pinned && cell.row === state.focus.row && cell.column === state.focus.column);
    focus("sample", cell.row, cell.column, cell.plane);
    return;
  }
  const [row, column] = input ? outputNear(cell.row, cell.column) : [cell.row, cell.column];
  if (backward() && !click) return; // an output is chosen there to edit its derivative
  move(row, column, !backward() && click && !(state.pinned && row === state.row && column === state.column));
}

const KEYS = {
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
  PageUp: [-8, 0], PageDown: [8, 0], Home: [0, -Infinity], End: [0, Infinity],
};

function press(event, side) {
  if (KEYS[event.key]) {
    const [down, right] = KEYS[event.key];
    const { row, column, plane } = state.focus;
    if (backward() && side === "input") focus("sample", row + down, column + right, plane);
    else move(state.row + down, state.column + right);
  } else if (event.key === "Enter" || event.key === " ") {
    state.pinned = !state.pinned;
    update();
  } else if (event.key === "Escape") {
    state.pinned = false;
    update();
  } else if (event.key === "+" || event.key === "-") {
    zoom(event.key === "+" ? 1.4 : 1 / 1.4);
  } else {
    return;
  }
  event.preventDefault();
}

function zoom(factor) {
  state.cell = factor === 0 ? 0 : factor && clamp(grids.input.cell * factor, 2, 96);
  update();
}

function listen() {
  const on = (kinds, id, handler) => kinds.split(" ").forEach((kind) => $(id).addEventListener(kind, handler));
  // What a control itself has to do comes first; then its event reaches the form.
  for (const id of ["controls", "colours", "show", "upstream"]) on("input", id, recompute);
  on("input", "backward", () => Object.assign(state, { focus: { ...state.focus, kind: "sample" }, pinned: false }));
  on("change", "backward", () => {
    if (isStale()) return;
    if (image.height * image.width > 200) focusOn(outputAt());
    else focus("sample", image.height >> 1, image.width >> 1); // in the middle a sample feeds most outputs
  });
  on("submit", "controls", (event) => event.preventDefault());
  const choose = () => chooseKernel($("kernel").value, $("parameters").value);
  on("input", "kernel", () => chooseKernel($("kernel").value));
  on("input", "parameters", choose);
  on("click", "reset", () => {
    choose();
    recompute();
  });
  // A table of weights belongs to an output channel where there are several.
  const chooseTable = (part, output, channel) => {
    const several = state.kernel.tables[0].length > 1;
    state.table = { part, output: several ? output : 0, channel };
    if (several || !state.kernel.own) state.channel = output;
    showEditor();
  };
  on("input", "channel", () => chooseTable(state.table.part, Number($("channel").value), state.table.channel));
  on("input", "table", () => {
    const [part, output, channel] = $("table").value.split(",").map(Number);
    chooseTable(part, state.kernel.tables[0].length > 1 ? output : state.channel, channel);
    recompute();
  });
  const place = (target) => target.dataset.place?.split(",").map(Number);
  const number = (input, put, fits = Number.isFinite) => {
    const value = input.value.trim() === "" ? NaN : Number(input.value);
    input.setAttribute("aria-invalid", String(!fits(value)));
    if (fits(value)) edit((kernel) => put(kernel, value));
  };
  on("input", "weights", ({ target }) => {
    const [row, column] = place(target);
    const { part, output, channel } = state.table;
    number(target, (kernel, value) => { kernel.tables[part][output][channel][row][column] = value; });
    colourWeights();
  });
  on("focusin mouseover", "weights", ({ target }) => {
    if (!place(target) || isStale()) return;
    state.weight = place(target);
    if (!backward()) update();
    else if (!state.pinned) focus("weight", ...place(target));
  });
  on("focusout mouseleave", "weights", () => {
    state.weight = null;
    update();
  });
  on("input", "divisor", () => (
    number($("divisor"), (kernel, value) => { kernel.divisors[state.table.part] = value; }, (value) => isFinite(value) && value !== 0)
  ));
  on("input", "offset", () => number($("offset"), (kernel, value) => { kernel.offset = value; }));
  on("input", "combine", () => edit((kernel) => { kernel.combine = $("combine").value; }));
  for (const id of ["width", "height"]) on("change", id, () => {
    const sides = ["height", "width"].map((each) => clamp(Math.round(Number($(each).value)) || 1, 1, 15));
    edit((kernel) => resize(kernel, ...sides));
    showEditor();
  });
  on("input", "derivative", () => {
    const value = Number($("derivative").value);
    if ($("derivative").value.trim() === "" || !Number.isFinite(value) || isStale()) return;
    state.upstream[outputAt()] = value;
    $("upstream").value = "edited";
    buildContents();
    update();
  });
  for (const side of ["input", "output"]) listenToGrid(side);
  on("input", "position", () => isStale() || step($("position").value - outputAt()));
  on("click", "back", () => step(-1));
  on("click", "next", () => step(1));
  on("click", "play", () => play(!state.timer));
  on("click", "closer", () => zoom(1.4));
  on("click", "farther", () => zoom(1 / 1.4));
  on("click", "whole", () => zoom(0));
  on("click", "numbers", () => zoom(null));
  on("click", "copy-command", () => {
    if (isStale()) return;
    const text = commandOf();
    copy(text, text.includes("--kernels") ? `Save the kernel, copied as TOML, as ${plainName(state.kernel)}.toml.` : "");
  });
  on("click", "copy-toml", () => copy(tomlOf(state.kernel, plainName(state.kernel))));
  on("click", "map", (event) => {
    const scale = image.width / $("map").clientWidth;
    const [row, column] = [event.offsetY, event.offsetX].map((at) => Math.floor(at * scale));
    point("input", { row, column, plane: 0 }, true);
  });
  for (const media of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(media).addEventListener("change", () => {
      readTheme();
      showEditor();
      recompute();
    });
  }
  window.addEventListener("resize", update);
}

/** Hover, click, drag and keys on a grid. */
function listenToGrid(side) {
  const grid = grids[side];
  let held = null;
  grid.canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.clientX, y: event.clientY, top: grid.top, left: grid.left, dragged: false };
  });
  grid.canvas.addEventListener("pointermove", (event) => {
    if (held && event.buttons && event.pointerType === "mouse") {
      const [across, down] = [event.clientX - held.x, event.clientY - held.y];
      held.dragged ||= Math.hypot(across, down) > 6;
      if (held.dragged) {
        scroll(grid, held.top - down / grid.cell, held.left - across / grid.cell);
        draw(grid, []);
        drawMap();
      }
    } else {
      point(side, cellAt(grid, event), false);
    }
  });
  grid.canvas.addEventListener("click", (event) => {
    if (!held?.dragged) point(side, cellAt(grid, event), true);
    held = null;
  });
  grid.canvas.addEventListener("keydown", (event) => press(event, side));
}

/** The whole image in small, with the crop outlined; a click there says how to see another place. */
function showOverview() {
  $("overview").hidden = !data.crop;
  if (!data.crop) return;
  const { top, left, height, width, picture } = data.crop;
  $("thumbnail").src = picture;
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  Object.assign($("outline").style, {
    top: percent(top, height), left: percent(left, width),
    width: percent(image.width, width), height: percent(image.height, height),
  });
  $("thumbnail").addEventListener("click", (event) => {
    if (isStale()) return;
    const box = $("thumbnail").getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * height);
    const column = Math.floor(((event.clientX - box.left) / box.width) * width);
    if (row >= top && column >= left && row < top + image.height && column < left + image.width) {
      point("input", { row: row - top, column: column - left, plane: 0 }, true);
    } else {
      const at = [row, column].map((place, axis) => Math.floor(place / state.options.stride[axis])).join(",");
      const words = [...kernelWords(), ...optionWords(), "--at", at, "-o", "page.html", "--overwrite"];
      copy(command("explain", data.source, ...words), "This command makes the page for that place.");
    }
  });
}

/** A border as the command's help draws it. */
function borderDrawn(border) {
  const letterAt = (position) => "abcd"[sourceIndex(position, 4, border)] ?? (border === "zero" ? "0" : "v");
  const drawn = Array.from({ length: 10 }, (_, at) => letterAt(at - 3)).join("");
  return `${border}: ${drawn.replace("abcd", "|abcd|")}`;
}

function start() {
  const { flip, ...options } = data.options;
  for (const entry of data.kernels) {
    const { own, tables } = entry.variants[0] ?? {};
    const other = own && tables[0][0].length !== image.planes.length ? `for ${tables[0][0].length} channels` : "";
    const unavailable = entry.unavailable || other;
    const text = unavailable ? `${entry.name} (${unavailable})` : entry.name;
    $("kernel").append(make("option", { value: entry.name, disabled: Boolean(unavailable) }, text));
  }
  for (const [id, values] of Object.entries(data.choices)) {
    $(id).prepend(...values.map((value) => option(value, id === "border" ? borderDrawn(value) : value)));
  }
  readTheme();
  chooseKernel(data.kernel.split(":")[0], data.kernel);
  const named = data.choices.padding.includes(options.padding);
  Object.assign(options, named ? {} : { padding: "number", samples: options.padding });
  for (const [id, value] of Object.entries(options)) $(id).value = value; // pairs as N,M
  $("flip").checked = flip;
  $("upstream").value = image.depth ? "single" : "counted";
  if (data.upstream) {
    $("backward").checked = true;
    $("upstream").value = "edited";
    state.upstream = Float64Array.from(data.upstream);
  }
  [state.row, state.column] = data.at;
  state.channel = data.channel;
  $("interactive").hidden = false;
  $("without-script").hidden = true;
  $("left").append($("static")); // beside the cards on the right
  listen();
  showOverview();
  recompute();
}

start();
