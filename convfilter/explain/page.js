"use strict";

// The interactive page of `convfilter explain`: pure arithmetic first, then the state, the drawing and the controls.
// The arithmetic equals the program's; the functions on `window.convfilter` are there for the tests that hold it.

// ---- Arithmetic -----------------------------------------------------------------------------------------------------

const SNAP = 2 ** -32; // roots and decimal fractions this near to a tie count as ties

/** The sample of an axis at a position, which may lie outside; -1 where a constant stands. */
function sourceIndex(position, size, border) {
  const modulo = (period) => ((position % period) + period) % period;
  if (border === "edge") return Math.min(Math.max(position, 0), size - 1);
  if (border === "wrap") return modulo(size);
  if (border === "symmetric") return Math.min(modulo(2 * size), 2 * size - 1 - modulo(2 * size));
  if (border === "reflect") {
    const period = Math.max(2 * (size - 1), 1);
    return Math.min(modulo(period), period - modulo(period)) % size;
  }
  return position >= 0 && position < size ? position : -1;
}

/** One axis: samples, weights, padding before and after, stride, dilation, and the samples that come out. */
function axisOf(size, kernel, padding, stride, dilation) {
  const spread = dilation * (kernel - 1);
  const named = { same: Math.floor(spread / 2), valid: 0, full: spread };
  const before = named[padding] ?? padding;
  const after = padding === "same" ? spread - before : before;
  const output = Math.floor((size + before + after - spread - 1) / stride) + 1;
  return { size, kernel, before, after, stride, dilation, output, reach: spread + 1, anchor: Math.floor(spread / 2) };
}

/** Rows and columns of a kernel on an image; options hold [rows, columns] for padding, stride and dilation. */
function axesOf(height, width, kernel, options) {
  const sides = [kernel.tables[0][0][0].length, kernel.tables[0][0][0][0].length];
  return [height, width].map((size, axis) => {
    const padding = Array.isArray(options.padding) ? options.padding[axis] : options.padding;
    return axisOf(size, sides[axis], padding, options.stride[axis], options.dilation[axis]);
  });
}

/** The size calculation of an axis, as `convfilter shape` prints it. */
function formulaOf({ size, kernel, before, after, stride, dilation, output }) {
  const padded = before || after ? `${size} + ${before} + ${after}` : `${size}`;
  if (stride === 1 && dilation === 1) return `${padded} - ${kernel} + 1 = ${output}`;
  return `floor((${padded} - ${dilation}*(${kernel} - 1) - 1) / ${stride}) + 1 = ${output}`;
}

/** A plane of samples with its border on. */
function padPlane(plane, [rows, columns], border, fill) {
  const height = rows.before + rows.size + rows.after;
  const width = columns.before + columns.size + columns.after;
  const samples = new Float64Array(height * width);
  const sources = Array.from({ length: width }, (_, at) => sourceIndex(at - columns.before, columns.size, border));
  for (let row = 0, at = 0; row < height; row++) {
    const source = sourceIndex(row - rows.before, rows.size, border);
    for (let column = 0; column < width; column++, at++) {
      const outside = source < 0 || sources[column] < 0;
      samples[at] = outside ? fill : plane[source * columns.size + sources[column]];
    }
  }
  return { samples, width, height };
}

/** Call `visit(weight's index, output's index, padded sample's index, how many outputs, step)` for each row of outputs. */
function eachRow([rows, columns], width, visit) {
  for (let index = 0; index < rows.kernel * columns.kernel; index++) {
    const [a, b] = [Math.floor(index / columns.kernel), index % columns.kernel];
    for (let row = 0; row < rows.output; row++) {
      const from = (row * rows.stride + a * rows.dilation) * width + b * columns.dilation;
      visit(index, row * columns.output, from, columns.output, columns.stride);
    }
  }
}

/** Add the products of weights and samples to the sums of all outputs. */
function addProducts(sums, { samples, width }, weights, axes) {
  eachRow(axes, width, (index, output, from, count, step) => {
    const weight = weights[index];
    if (weight === 0) return; // a sample under a weight of zero does not count
    for (let end = output + count; output < end; output++, from += step) sums[output] += weight * samples[from];
  });
}

/** The derivative by the samples of a plane: each output's, times the weight through which the sample feeds it. */
function inputGradient(upstream, weights, axes, border) {
  const [rows, columns] = axes;
  const width = columns.before + columns.size + columns.after;
  const padded = new Float64Array((rows.before + rows.size + rows.after) * width);
  eachRow(axes, width, (index, output, from, count, step) => {
    const weight = weights[index];
    for (let end = output + count; output < end; output++, from += step) padded[from] += weight * upstream[output];
  });
  const gradient = new Float64Array(rows.size * columns.size);
  padded.forEach((value, at) => { // what flows to a border sample goes to the sample it repeats
    const row = sourceIndex(Math.floor(at / width) - rows.before, rows.size, border);
    const column = sourceIndex((at % width) - columns.before, columns.size, border);
    if (row >= 0 && column >= 0) gradient[row * columns.size + column] += value;
  });
  return gradient;
}

/** The derivative by the weights: a correlation of the samples and the outputs' derivatives. */
function kernelGradient(plane, upstream, axes, border, fill) {
  const { samples, width } = padPlane(plane, axes, border, fill);
  const gradient = new Float64Array(axes[0].kernel * axes[1].kernel);
  eachRow(axes, width, (index, output, from, count, step) => {
    for (let end = output + count; output < end; output++, from += step) {
      gradient[index] += samples[from] * upstream[output];
    }
  });
  return gradient;
}

/** On one axis, the outputs that a sample feeds: [output, weight, position] with a position outside for the border. */
function feeds(sample, axis, border) {
  const found = [];
  for (let output = 0; output < axis.output; output++) {
    for (let weight = 0; weight < axis.kernel; weight++) {
      const position = output * axis.stride - axis.before + weight * axis.dilation;
      if (sourceIndex(position, axis.size, border) === sample) found.push([output, weight, position]);
    }
  }
  return found;
}

function isZeroSum(kernel) {
  return kernel.tables.every((part) => part.every((output) => {
    const weights = output.flat(2);
    const [sum, size] = weights.reduce(([sum, size], weight) => [sum + weight, size + Math.abs(weight)], [0, 0]);
    return Math.abs(sum) <= 1e-6 * size;
  }));
}

/** The weights as they are applied: for each output channel and part, one flat table for each channel it sums. */
function bankOf(kernel, options, count) {
  const summed = kernel.own || options.channels !== "each";
  const channels = kernel.tables[0][0].length;
  if (kernel.own && channels !== count) {
    throw new Error(`kernel '${kernel.name}' is for ${channels} channels and the image has ${count}`);
  }
  const outputs = kernel.tables[0].map((_, output) => kernel.tables.map((part, number) => {
    let slices = part[output].map((rows) => (options.flip ? rows.flat().reverse() : rows.flat()));
    if (summed && !kernel.own) slices = Array(count).fill(slices[0]);
    return { slices, divisor: kernel.divisors[number] * (options.channels === "mean" ? count : 1) };
  }));
  return { outputs, summed };
}

function combineParts(values, combine) {
  if (combine === "magnitude") return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  if (combine === "maximum") return Math.max(...values);
  return values.reduce((sum, value) => sum + value, 0);
}

/** How an image's values become samples: the offset in its units, the range, the extremes for `stretch`. */
function finishOf(image, kernel, options) {
  const { depth } = image;
  if (!depth) return { offset: kernel.offset, range: "raw", depth };
  let range = options.range === "auto" ? kernel.range : options.range;
  if (range === "auto") {
    range = kernel.tables.length === 1 && !kernel.offset && isZeroSum(kernel) ? "absolute" : "clip";
  }
  return { offset: kernel.offset * depth.full, range, depth };
}

/** From the combined value to the sample; `note`, if there is one, gets each step: name, formula, value. */
function finish(value, { offset, range, depth, extremes }, note) {
  if (offset) {
    if (note) note("offset", `${figure(value)} + ${figure(offset)}`, value + offset);
    value += offset;
  }
  if (!depth) return value;
  const { full, low, high } = depth;
  if (range === "absolute") {
    if (note) note("absolute", `|${figure(value)}|`, Math.abs(value));
    value = Math.abs(value);
  } else if (range === "signed") {
    if (note) note("signed", `${figure(value)} / 2 + ${figure(full)} / 2`, (value + full) / 2);
    value = (value + full) / 2;
  } else if (range === "stretch") {
    const [least, most] = extremes.map((each) => each + offset);
    const stretched = most > least ? ((value - least) * full) / (most - least) : 0;
    const formula = `(${figure(value)} - ${figure(least)}) * ${figure(full)} / (${figure(most)} - ${figure(least)})`;
    if (note) note("stretch", most > least ? formula.replaceAll("- -", "+ ") : "the image is flat", stretched);
    value = stretched;
  }
  if (range === "raw") {
    if (note) note("raw", "no rounding, no clipping", Math.fround(value));
    return Math.fround(value);
  }
  if (!depth.integer) return value;
  const rounded = Math.floor(value + 0.5 + SNAP);
  if (note) note("round", `floor(${figure(value, 9)} + 0.5)`, rounded);
  const clipped = Math.min(Math.max(rounded, low), high);
  if (note && clipped !== rounded) note("clip", `to ${low}..${high}`, clipped);
  return clipped;
}

function fillOf(image, { border, fill }) {
  return border === "constant" ? fill * (image.depth ? image.depth.full : 1) : 0;
}

/** Filter an image {height, width, planes, depth}; without a depth its values are plain numbers. */
function filterImage(image, kernel, options) {
  const axes = axesOf(image.height, image.width, kernel, options);
  ["height", "width"].forEach((name, number) => {
    const { size, before, after, kernel: side, reach, output } = axes[number];
    const padded = before || after ? ` + ${before} + ${after}` : "";
    const spread = reach > side ? ` (${reach} with dilation)` : "";
    if (output < 1) {
      throw new Error(`nothing comes out: ${name} ${size}${padded} is smaller than the kernel's ${side}${spread}`);
    }
  });
  const bank = bankOf(kernel, options, image.planes.length);
  const planes = image.planes.map((plane) => padPlane(plane, axes, options.border, fillOf(image, options)));
  const count = axes[0].output * axes[1].output;
  const values = Array.from({ length: bank.summed ? bank.outputs.length : planes.length }, (_, channel) => {
    const parts = bank.outputs[bank.summed ? channel : 0].map(({ slices, divisor }) => {
      const sums = new Float64Array(count);
      slices.forEach((weights, slice) => addProducts(sums, planes[bank.summed ? slice : channel], weights, axes));
      return divisor === 1 ? sums : sums.map((sum) => sum / divisor);
    });
    if (parts.length === 1) return parts[0];
    return parts[0].map((_, at) => combineParts(parts.map((part) => part[at]), kernel.combine));
  });
  const settings = finishOf(image, kernel, options);
  if (settings.range === "stretch") settings.extremes = extremesOf(values, image, bank);
  const outputs = values.map((each) => each.map((value) => finish(value, settings)));
  return { axes, bank, settings, values, outputs, height: axes[0].output, width: axes[1].output };
}

/** The smallest and largest finite value; both the same where they differ by roundings only. */
function extremesOf(values, { depth, planes }, { outputs }) {
  const [least, most] = leastAndMost(values);
  const weights = outputs.flat().map(({ slices, divisor }) => slices.flat().map((weight) => [weight, divisor]));
  const exact = depth.integer && weights.flat(1).every((pair) => pair.every(Number.isInteger));
  const largest = depth.integer ? depth.full : Math.max(...leastAndMost(planes).map(Math.abs));
  const sums = weights.map((part) => part.reduce((sum, [weight, divisor]) => sum + Math.abs(weight / divisor), 0));
  const noise = exact ? 0 : 16 * (depth.single ? 2 ** -23 : 2 ** -52) * largest * Math.max(...sums);
  return most - least > noise ? [least, most] : [least, least];
}

function leastAndMost(planes) {
  let [least, most] = [Infinity, -Infinity];
  for (const plane of planes) {
    for (const value of plane) {
      if (!Number.isFinite(value)) continue;
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  return least > most ? [0, 0] : [least, most];
}

/** How one output is computed: for each part its slices and steps, then the steps to the sample. */
function explainAt(image, kernel, options, { axes, bank, settings }, row, column, channel) {
  const [rows, columns] = axes;
  const fill = fillOf(image, options);
  const top = row * rows.stride - rows.before;
  const left = column * columns.stride - columns.before;
  const parts = bank.outputs[bank.summed ? channel : 0].map(({ slices, divisor }) => {
    const tables = slices.map((weights, slice) => {
      const source = bank.summed ? slice : channel;
      const places = weights.map((_, index) => [
        top + Math.floor(index / columns.kernel) * rows.dilation, left + (index % columns.kernel) * columns.dilation,
      ]);
      const samples = places.map(([y, x]) => {
        const [from, at] = [sourceIndex(y, rows.size, options.border), sourceIndex(x, columns.size, options.border)];
        return from < 0 || at < 0 ? fill : image.planes[source][from * columns.size + at];
      });
      const border = places.map(([y, x]) => y < 0 || x < 0 || y >= rows.size || x >= columns.size);
      const products = weights.map((weight, index) => (weight === 0 ? 0 : weight * samples[index]));
      const sum = products.reduce((total, product) => total + product, 0);
      return { name: bank.summed ? image.names[source] : "", samples, weights, products, border, sum };
    });
    const sums = tables.map(({ sum }) => sum);
    const steps = tables.length > 1 ? tables.map((each) => [`sum of ${each.name}`, "all products", each.sum]) : [];
    const whole = sums.reduce((total, sum) => total + sum, 0);
    steps.push(["sum", sums.length > 1 ? added(sums) : "all products", whole]);
    if (divisor !== 1) steps.push(["divide", `${figure(whole)} / ${figure(divisor)}`, whole / divisor]);
    return { slices: tables, steps, value: whole / divisor };
  });
  const values = parts.map((part) => part.value);
  const combined = combineParts(values, kernel.combine);
  const steps = [];
  if (kernel.combine === "magnitude") {
    steps.push(["magnitude", `sqrt(${values.map((value) => `${bracketed(value)}^2`).join(" + ")})`, combined]);
  } else if (kernel.combine) {
    const maximum = kernel.combine === "maximum";
    const formula = maximum ? `max(${values.map((value) => figure(value)).join(", ")})` : added(values);
    steps.push([maximum ? "maximum" : "sum of parts", formula, combined]);
  }
  const value = finish(combined, settings, (...step) => steps.push(step));
  return { parts, steps, value, anchor: [top + rows.anchor, left + columns.anchor], top, left };
}

/** A number as the program shows it: integers in full, others with some significant digits. */
function figure(value, digits = 6) {
  if (!Number.isFinite(value)) return String(value).toLowerCase().replace("infinity", "inf");
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value + 0);
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e").map(Number);
  if (exponent >= -4 && exponent < digits) return String(Number(value.toPrecision(digits)));
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

const bracketed = (value) => (value < 0 ? `(${figure(value)})` : figure(value));
const added = (values) => values.map((value) => figure(value)).join(" + ").replaceAll("+ -", "- ");

/** A sum written out; long ones with their first and last terms only. */
function writtenOut(terms, most = 27) {
  const some = terms.length > most ? [...terms.slice(0, most - 7), "…", ...terms.slice(-4)] : terms;
  const text = some.join(" + ").replaceAll("+ -", "- ") || "nothing";
  return terms.length > most ? `${text}   (${terms.length} terms)` : text;
}

/** A kernel as a table for a kernel file. */
function tomlOf(kernel, name) {
  const nested = (value) => (Array.isArray(value) ? `[${value.map(nested).join(", ")}]` : String(value));
  const strip = (part) => (kernel.axes === "output,channel,row,column" ? part : kernel.own ? part[0] : part[0][0]);
  const tables = kernel.tables.map(strip);
  const single = tables.length === 1;
  const written = kernel.own ? nested : (table) => `[${table.map(nested).join(",\n           ")}]`;
  const lines = [`[${/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)}]`];
  if (kernel.own) lines.push(`axes    = "${kernel.axes}"`);
  lines.push(single ? `weights = ${written(tables[0])}` : `parts   = [${tables.map(nested).join(",\n           ")}]`);
  if (!single) lines.push(`combine = "${kernel.combine}"`);
  const alike = kernel.divisors.every((divisor) => divisor === kernel.divisors[0]);
  if (!alike || kernel.divisors[0] !== 1) lines.push(`divisor = ${alike ? kernel.divisors[0] : '"sum"'}`);
  if (kernel.offset) lines.push(`offset  = ${kernel.offset}`);
  if (kernel.range !== "auto") lines.push(`range   = "${kernel.range}"`);
  return `${lines.join("\n")}\n`;
}

/** The samples of an image, out of base64. */
function decodeImage({ height, width, names, type, samples, depth }) {
  const bytes = Uint8Array.from(atob(samples), (character) => character.charCodeAt(0));
  const kinds = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int8: Int8Array, int16: Int16Array,
                  int32: Int32Array, float32: Float32Array, float64: Float64Array };
  const all = new kinds[type](bytes.buffer); // channel after channel, little-endian
  const planes = names.map((_, channel) => (
    Float64Array.from(all.subarray(channel * height * width, (channel + 1) * height * width))
  ));
  return { height, width, names, depth, planes };
}

window.convfilter = { axisOf, decodeImage, explainAt, figure, filterImage, formulaOf, inputGradient, kernelGradient };

// ---- State ----------------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const image = decodeImage(data.image);

const state = {
  kernel: null, edited: false, // the kernel in use, and whether its weights are the reader's own
  options: null, result: null, stale: false,
  row: 0, column: 0, channel: 0, // the output that is explained
  pinned: false, timer: 0,
  cell: null, // side of a cell in pixels; null chooses one in which numbers fit
  table: { part: 0, output: 0, channel: 0 }, // the table of weights that the editor shows
  focus: { kind: "sample", row: 0, column: 0, plane: 0 }, // of the backward mode
  upstream: new Float64Array(0),
};

/** What rows and columns are counted from: the crop's place in the image, so that numbers are the file's own. */
const inputOrigin = data.crop ? [data.crop.top, data.crop.left] : [0, 0];
const outputOrigin = () => {
  const strides = state.options.stride;
  return inputOrigin.every((start, axis) => start % strides[axis] === 0)
    ? inputOrigin.map((start, axis) => start / strides[axis]) : [0, 0]; // outputs out of step with the image's
};
const backward = () => $("backward").checked;
const shownPlanes = () => (state.result.bank.summed ? image.planes.map((_, plane) => plane) : [state.channel]);
const chosenPart = () => state.result.bank.outputs[state.result.bank.summed ? state.channel : 0][state.table.part];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Read the controls; an Error says what is wrong with one. */
function readOptions() {
  const pair = (id, least) => {
    const match = /^\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?$/.exec($(id).value);
    const numbers = match ? [Number(match[1]), Number(match[2] ?? match[1])] : [-1];
    $(id).setAttribute("aria-invalid", String(Math.min(...numbers) < least));
    if (Math.min(...numbers) < least) throw new Error(`${id}: enter N, or N,M (rows, columns), at least ${least}`);
    return numbers;
  };
  const fill = Number($("fill").value);
  $("fill").setAttribute("aria-invalid", String(!Number.isFinite(fill)));
  if (!Number.isFinite(fill)) throw new Error("value of the border: enter a number");
  return {
    padding: $("padding").value === "number" ? pair("samples", 0) : $("padding").value,
    border: $("border").value,
    fill,
    stride: pair("stride", 1),
    dilation: pair("dilation", 1),
    flip: $("flip").checked,
    channels: state.kernel.own ? "each" : $("channels").value,
    range: $("range").value,
  };
}

/** Compute everything anew after a control or a weight has changed. */
function recompute() {
  try {
    const options = readOptions();
    const result = filterImage(image, state.kernel, options);
    Object.assign(state, { options, result, stale: false });
  } catch (error) {
    state.stale = true;
    $("error").textContent = error.message;
  }
  document.body.classList.toggle("stale", state.stale);
  if (state.stale) return;
  $("error").textContent = "";
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
    if (kind === "single") return at === state.row * width + state.column ? 1 : 0;
    return kind === "counted" ? at + 1 : 1;
  });
}

/** Go to an output; outside the output it is the nearest one. */
function move(row, column, { pin = state.pinned } = {}) {
  if (state.stale) return;
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
function gradients() {
  const { axes, bank } = state.result;
  const { border } = state.options;
  const { slices, divisor } = chosenPart();
  const planes = shownPlanes();
  const samples = planes.map((_, slice) => (
    inputGradient(state.upstream, slices[slice], axes, border).map((value) => value / divisor)
  ));
  // Channels that share the weights add up.
  const shared = state.kernel.own ? [planes[state.table.channel]] : planes;
  const weights = new Float64Array(slices[0].length);
  for (const plane of shared) {
    kernelGradient(image.planes[plane], state.upstream, axes, border, fillOf(image, state.options))
      .forEach((value, index) => { weights[index] += value / divisor; });
  }
  return { samples, weights: state.options.flip ? weights.reverse() : weights, divisor, shared, bank };
}

// ---- Drawing --------------------------------------------------------------------------------------------------------

const GUTTER = { left: 34, top: 20, between: 20 }; // for the numbers of rows and columns, and the names of planes
const TALLEST = 430;
const grids = { input: { canvas: $("input") }, output: { canvas: $("output") } };
const theme = {};

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["panel", "ink", "muted", "line", "accent", "second", "plus", "minus"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

const channelsOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

/** Grey between two values. */
function greys(low, high) {
  const scale = 255 / (high - low || 1);
  return (value) => Array(3).fill(clamp((value - low) * scale, 0, 255));
}

/** Orange for positive, blue for negative values, the page's own colour for zero. */
function diverging(largest) {
  const [plus, minus, zero] = [theme.plus, theme.minus, theme.panel].map(channelsOf);
  return (value) => {
    const share = Math.min(Math.abs(value) / (largest || 1), 1) ** 0.7 * 0.85;
    return zero.map((level, at) => level + ((value < 0 ? minus : plus)[at] - level) * share);
  };
}

function largestOf(planes) {
  return Math.max(...leastAndMost(planes).map(Math.abs));
}

/** One plane to draw: its numbers and a picture with one pixel for each of them. */
function planeOf(values, columns, colourOf, name = "") {
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [columns, values.length / columns];
  const pixels = new ImageData(picture.width, picture.height);
  values.forEach((value, at) => pixels.data.set([...colourOf(value, at), 255], 4 * at));
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return { values, picture, pixels: pixels.data, name };
}

/** What the two grids show, from the results. */
function buildContents() {
  readTheme();
  const { axes, outputs, height, width, settings } = state.result;
  const inside = { top: 0, left: 0, rows: height, columns: width, hatched: () => false, origin: outputOrigin() };
  const [rows, columns] = axes;
  const padded = { top: -rows.before, left: -columns.before, rows: rows.before + rows.size + rows.after,
                   columns: columns.before + columns.size + columns.after, origin: inputOrigin };
  padded.hatched = (row, column) => row < 0 || column < 0 || row >= rows.size || column >= columns.size;
  const coloured = $("colours").checked && image.planes.length === 3 && !backward();
  if (backward()) {
    const { samples } = gradients();
    const planes = shownPlanes();
    if (state.focus.kind === "sample" && $("show").value === "gradient") {
      const colourOf = diverging(largestOf(samples));
      grids.input.content = { top: 0, left: 0, rows: rows.size, columns: columns.size, hatched: () => false, origin: inputOrigin,
        planes: samples.map((each, at) => planeOf(each, columns.size, colourOf, planes.length > 1 ? image.names[planes[at]] : "")) };
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
  const { axes } = state.result;
  const pad = (plane) => padPlane(plane, axes, state.options.border, fillOf(image, state.options));
  const all = coloured ? image.planes.map((plane) => pad(plane).samples) : [];
  return numbers.map((number) => {
    const { samples, width } = pad(image.planes[number]);
    return planeOf(samples, width, coloured ? inColour(all) : imageScale, numbers.length > 1 ? image.names[number] : "");
  });
}

/** The side of a cell in which all numbers of a grid fit, and the one in which the whole grid fits. */
function cellSizes({ canvas, content }) {
  const extremes = content.planes.flatMap(({ values }) => leastAndMost([values]));
  const whole = content.planes.every(({ values }) => values.every(Number.isInteger));
  const longest = whole ? Math.max(...extremes.map((value) => figure(value, 4).length)) : 6;
  const height = (TALLEST - content.planes.length * GUTTER.top) / content.planes.length;
  return {
    numbers: Math.max(28, longest * 7.5 + 8),
    fitting: Math.min((canvas.closest("figure").clientWidth - GUTTER.left - 3) / content.columns, (height - 1) / content.rows),
  };
}

/** Choose the size of cells and the part of each grid that is in view. */
function layOut() {
  const sizes = Object.values(grids).map(cellSizes);
  const numbers = Math.max(...sizes.map((each) => each.numbers));
  const fitting = Math.min(...sizes.map((each) => each.fitting));
  const cell = Math.floor(state.cell ?? clamp(fitting, numbers, 56)) || 1;
  for (const [grid, own] of [[grids.input, sizes[0]], [grids.output, sizes[1]]]) {
    const { canvas, content } = grid;
    const count = content.planes.length;
    grid.cell = Math.max(state.cell === 0 ? own.fitting : cell, 0.5);
    const height = (TALLEST - count * GUTTER.top - 1) / count;
    const width = canvas.closest("figure").clientWidth - GUTTER.left - 3;
    grid.columns = Math.min(content.columns, Math.max(1, Math.floor(width / grid.cell + 1e-9)));
    grid.rows = Math.min(content.rows, Math.max(1, Math.floor(height / grid.cell + 1e-9)));
    canvas.style.width = `${Math.ceil(GUTTER.left + grid.columns * grid.cell + 3)}px`;
    canvas.style.height = `${Math.ceil(count * (GUTTER.top + grid.rows * grid.cell) + 2)}px`;
    scroll(grid, grid.top ?? content.top, grid.left ?? content.left);
  }
}

/** Have a grid begin at a row and column, as far as there are some. */
function scroll(grid, top, left) {
  const { content } = grid;
  grid.top = clamp(Math.round(top), content.top, content.top + content.rows - grid.rows);
  grid.left = clamp(Math.round(left), content.left, content.left + content.columns - grid.columns);
}

/** Scroll so that cells are in view: in the middle if they were out of sight. */
function reveal(grid, row, column, rows, columns) {
  const along = (start, count, seen, length) => (
    start >= seen && start + count <= seen + length ? seen : start - (length - count) / 2
  );
  scroll(grid, along(row, rows, grid.top, grid.rows), along(column, columns, grid.left, grid.columns));
}

/** The cell of a grid under the pointer: plane, row, column; null for none. */
function cellAt(grid, event) {
  const box = grid.canvas.getBoundingClientRect();
  const pitch = GUTTER.top + grid.rows * grid.cell;
  const plane = Math.floor((event.clientY - box.top) / pitch);
  const row = Math.floor((event.clientY - box.top - plane * pitch - GUTTER.top) / grid.cell);
  const column = Math.floor((event.clientX - box.left - GUTTER.left) / grid.cell);
  const inside = row >= 0 && column >= 0 && row < grid.rows && column < grid.columns;
  return inside && plane < grid.content.planes.length
    ? { plane, row: row + grid.top, column: column + grid.left } : null;
}

/** Draw a grid with its marks: cells {row, column, rows, columns, colour, thin}. */
function draw(grid, marks) {
  const { canvas, content, cell, rows, columns } = grid;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = false;
  context.textAlign = "center";
  context.textBaseline = "middle";
  content.planes.forEach((plane, number) => {
    const top = GUTTER.top + number * (GUTTER.top + rows * cell);
    context.save();
    context.translate(GUTTER.left, top);
    drawPlane(context, grid, plane);
    drawNames(context, grid, plane);
    context.beginPath();
    context.rect(-2, -2, columns * cell + 4, rows * cell + 4);
    context.clip();
    for (const mark of marks.filter((each) => each.plane === undefined || each.plane === number)) {
      const box = [(mark.column - grid.left) * cell, (mark.row - grid.top) * cell, mark.columns * cell, mark.rows * cell];
      context.lineWidth = mark.thin ? 3 : 5;
      context.strokeStyle = theme.panel;
      context.strokeRect(...box);
      context.lineWidth = mark.thin ? 1.5 : 3;
      context.strokeStyle = mark.colour;
      context.strokeRect(...box);
    }
    context.restore();
  });
}

function drawPlane(context, grid, { picture, pixels, values }) {
  const { content, cell, rows, columns, top, left } = grid;
  const from = [left - content.left, top - content.top];
  context.drawImage(picture, ...from, columns, rows, 0, 0, columns * cell, rows * cell);
  if (cell < 7) return;
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.beginPath();
  for (let row = 0; row <= rows; row++) {
    context.moveTo(0, row * cell + 0.5);
    context.lineTo(columns * cell, row * cell + 0.5);
  }
  for (let column = 0; column <= columns; column++) {
    context.moveTo(column * cell + 0.5, 0);
    context.lineTo(column * cell + 0.5, rows * cell);
  }
  context.stroke();
  const size = Math.min(15, Math.max(11, cell * 0.34));
  context.font = `${size}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace`;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (row + from[1]) * content.columns + column + from[0];
      const [red, green, blue] = pixels.subarray(4 * at, 4 * at + 3);
      const ink = 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "#ffffff" : "#16181b";
      if (content.hatched(row + top, column + left)) hatch(context, column * cell, row * cell, cell, ink);
      const text = figure(values[at], 4);
      if (text.length * size * 0.61 > cell - 3) continue;
      context.fillStyle = ink;
      context.fillText(text, (column + 0.5) * cell, (row + 0.5) * cell + 1);
    }
  }
}

/** Mark a border sample: a dotted cell with its two upper corners cut. */
function hatch(context, x, y, cell, ink) {
  context.save();
  context.globalAlpha = 0.5;
  context.strokeStyle = ink;
  context.beginPath();
  const corner = cell * 0.3;
  for (const step of [corner / 2, corner]) {
    context.moveTo(x + 1, y + step);
    context.lineTo(x + step, y + 1);
    context.moveTo(x + cell - 1, y + cell - step);
    context.lineTo(x + cell - step, y + cell - 1);
  }
  context.stroke();
  context.restore();
}

/** Write the numbers of rows and columns, and the name of a plane. */
function drawNames(context, { cell, rows, columns, top, left, content }, { name }) {
  const [row0, column0] = [top + content.origin[0], left + content.origin[1]];
  const every = [1, 2, 5, 10, 20, 50, 100].find((step) => step * cell >= 26);
  context.fillStyle = theme.muted;
  context.font = "11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace";
  for (let column = 0; column < columns; column++) {
    if ((column + column0) % every === 0) context.fillText(column + column0, (column + 0.5) * cell, -8);
  }
  context.textAlign = "right";
  for (let row = 0; row < rows; row++) {
    if ((row + row0) % every === 0) context.fillText(row + row0, -6, (row + 0.5) * cell + 1);
  }
  if (name) {
    context.fillStyle = theme.ink;
    context.fillText(name, -6, -8);
  }
  context.textAlign = "center";
}

/** Draw everything for the output, sample or weight in focus. */
function update() {
  if (state.stale) return;
  layOut();
  $("position").value = state.row * state.result.width + state.column;
  (backward() ? updateBackward : updateForward)();
  drawMap();
}

/** Cells of a window as marks: one box, or a box for each cell where dilation or stride sets them apart. */
function windowMarks(top, left, rows, columns, [down, across], colour) {
  const each = (count, step) => Array.from({ length: count }, (_, at) => at * step);
  if (down === 1 && across === 1) return [{ row: top, column: left, rows, columns, colour }];
  return each(rows, down).flatMap((y) => each(columns, across).map((x) => (
    { row: top + y, column: left + x, rows: 1, columns: 1, colour, thin: true }
  )));
}

function updateForward() {
  const { result, options, row, column, channel } = state;
  const explained = explainAt(image, state.kernel, options, result, row, column, channel);
  const [rows, columns] = result.axes;
  reveal(grids.input, explained.top, explained.left, rows.reach, columns.reach);
  reveal(grids.output, row, column, 1, 1);
  draw(grids.input, windowMarks(explained.top, explained.left, rows.kernel, columns.kernel, options.dilation, theme.accent));
  draw(grids.output, [{ row, column, rows: 1, columns: 1, colour: theme.accent }]);
  const of = result.outputs.length > 1 ? `, ${outputNames()[channel]}` : "";
  say(`Output ${placeOf([row, column], outputOrigin())}${of}: ${figure(explained.value)}`, state.pinned,
    `The anchor of the kernel is over ${placeOf(explained.anchor, inputOrigin)} of the input.`);
  const parts = explained.parts.map((part, number) => make("section", {},
    ...(explained.parts.length > 1 ? [make("h3", {}, `Part ${number + 1}`)] : []),
    ...part.slices.map((slice) => sliceOf(slice, columns.kernel, ["samples", "weights", "products"])),
    stepsOf(part.steps.filter(([name]) => name !== "sum" || part.slices.length > 1)),
  ));
  $("calculation").replaceChildren(make("div", { className: "parts" }, ...parts), stepsOf(explained.steps), make("p", { className: "value" }, `value ${figure(explained.value)}`));
}

function updateBackward() {
  const { axes } = state.result;
  const { samples, weights, divisor, shared } = gradients();
  const { kind, row, column } = state.focus;
  showWeightGradient(weights);
  if (kind === "weight") {
    explainWeight(row, column, weights, divisor, shared);
  } else {
    const plane = clamp(state.focus.plane, 0, samples.length - 1);
    explainSample(row, column, plane, samples[plane][row * axes[1].size + column], divisor);
  }
  $("derivative").value = figure(state.upstream[state.row * state.result.width + state.column]);
  $("derivative-name").textContent = `Upstream gradient of output ${placeOf([state.row, state.column], outputOrigin())}`;
}

/** A sample's gradient: the outputs that it feeds, each one's derivative times the weight between them. */
function explainSample(row, column, plane, gradient, divisor) {
  const { axes, width } = state.result;
  const weights = chosenPart().slices[plane];
  const turned = (a, b) => (state.options.flip ? [axes[0].kernel - 1 - a, axes[1].kernel - 1 - b] : [a, b]);
  const terms = feeds(row, axes[0], state.options.border).flatMap(([i, a, y]) => (
    feeds(column, axes[1], state.options.border).map(([j, b, x]) => ({
      i, j, y, x, place: turned(a, b), weight: weights[a * axes[1].kernel + b], derivative: state.upstream[i * width + j],
    }))
  ));
  const outputs = new Map(terms.map((term) => [`${term.i},${term.j}`, term]));
  const [first, last] = [terms[0], terms.at(-1)];
  reveal(grids.input, row, column, 1, 1);
  if (first) reveal(grids.output, first.i, first.j, last.i - first.i + 1, last.j - first.j + 1);
  const copies = grids.input.content.top < 0 || grids.input.content.left < 0 ? terms : [];
  draw(grids.input, [
    ...copies.map(({ y, x }) => ({ row: y, column: x, rows: 1, columns: 1, colour: theme.second, thin: true, plane })),
    { row, column, rows: 1, columns: 1, colour: theme.accent, plane },
  ]);
  draw(grids.output, [...outputs.values()].map(({ i, j }) => (
    { row: i, column: j, rows: 1, columns: 1, colour: theme.accent, thin: true }
  )));
  markWeights(terms.map((term) => term.place));
  const name = shownPlanes().length > 1 ? `, ${image.names[shownPlanes()[plane]]}` : "";
  const here = shifted([row, column], inputOrigin);
  say(`Gradient by input ${placeOf([row, column], inputOrigin)}${name}: ${figure(gradient)}`, state.pinned,
    `The sample feeds ${outputs.size} output${outputs.size === 1 ? "" : "s"}` +
    `${terms.length > outputs.size ? `, some of them through the border, by ${terms.length} products` : ""}. ` +
    "The derivative of each output flows back through the weight between them.");
  const slice = {
    samples: terms.map((term) => term.derivative), weights: terms.map((term) => term.weight),
    border: terms.map(({ y, x }) => y !== row || x !== column),
    products: terms.map((term) => term.derivative * term.weight),
  };
  slice.sum = slice.products.reduce((sum, product) => sum + product, 0);
  const symbols = terms.map(({ i, j, place }) => `d[${shifted([i, j], outputOrigin())}]·w[${place}]`);
  const breadth = new Set(terms.map((term) => term.j)).size;
  const square = terms.length === outputs.size && terms.length > 0;
  $("calculation").replaceChildren(
    make("p", { className: "sum" }, `dL/dx[${here}] = ${writtenOut(symbols, 18)}`),
    sliceOf(slice, square ? breadth : terms.length, ["upstream", "weights (turned)", "products"], square),
    stepsOf(divisor === 1 ? [] : [["divide", `${figure(slice.sum)} / ${figure(divisor)}`, slice.sum / divisor]]),
    make("p", { className: "value" }, `dL/dx[${here}] = ${figure(gradient)}`),
  );
}

/** A weight's gradient: the correlation of all outputs' derivatives with the samples that the weight met. */
function explainWeight(row, column, gradient, divisor, shared) {
  const { axes, height, width } = state.result;
  const [rows, columns] = axes;
  const [a, b] = state.options.flip ? [rows.kernel - 1 - row, columns.kernel - 1 - column] : [row, column];
  const top = a * rows.dilation - rows.before;
  const left = b * columns.dilation - columns.before;
  reveal(grids.input, top, left, 1, 1);
  draw(grids.input, windowMarks(top, left, height, width, state.options.stride, theme.accent));
  draw(grids.output, [{ row: 0, column: 0, rows: height, columns: width, colour: theme.accent }]);
  markWeights([[row, column]]);
  const value = gradient[row * columns.kernel + column];
  say(`Gradient by weight row ${row}, column ${column}: ${figure(value)}`, false,
    `The weight met ${height * width} samples, one for each output: marked in the input. ` +
    "Its gradient is the correlation of these samples with the upstream gradients.");
  const slices = shared.map((plane) => {
    const padded = padPlane(image.planes[plane], axes, state.options.border, fillOf(image, state.options));
    const samples = Array.from(state.upstream, (_, at) => {
      const y = Math.floor(at / width) * rows.stride + a * rows.dilation;
      return padded.samples[y * padded.width + (at % width) * columns.stride + b * columns.dilation];
    });
    const products = samples.map((sample, at) => sample * state.upstream[at]);
    const border = samples.map((_, at) => grids.input.content.hatched(
      top + Math.floor(at / width) * rows.stride, left + (at % width) * columns.stride,
    ));
    const sum = products.reduce((total, product) => total + product, 0);
    return { name: shared.length > 1 ? image.names[plane] : "", samples: [...state.upstream], weights: samples, products, border, sum };
  });
  const sums = slices.map(({ sum }) => sum);
  const steps = sums.length > 1 ? [["sum", added(sums), sums.reduce((total, sum) => total + sum, 0)]] : [];
  if (divisor !== 1) steps.push(["divide", `${figure(value * divisor)} / ${figure(divisor)}`, value]);
  const symbols = Array.from({ length: Math.min(height * width, 40) }, (_, at) => {
    const [i, j] = [Math.floor(at / width), at % width];
    const met = shifted([top + i * rows.stride, left + j * columns.stride], inputOrigin);
    return `d[${shifted([i, j], outputOrigin())}]·x[${met}]`;
  });
  const more = height * width > 12 ? " + …" : "";
  $("calculation").replaceChildren(
    make("p", { className: "sum" }, `dL/dw[${row},${column}] = ${symbols.slice(0, 12).join(" + ")}${more}`),
    ...slices.map((slice) => sliceOf(slice, width, ["upstream", "samples", "products"])),
    stepsOf(steps),
    make("p", { className: "value" }, `dL/dw[${row},${column}] = ${figure(value)}`),
  );
}

/** How an image's samples look: from black to full scale; plain numbers from their smallest to their largest. */
const imageScale = image.depth ? greys(0, image.depth.full) : greys(...leastAndMost(image.planes));
const inColour = (planes) => (_, at) => planes.map((plane) => imageScale(plane[at])[0]);
const mapPicture = planeOf(
  image.planes[0], image.width, image.planes.length === 3 ? inColour(image.planes) : imageScale,
).picture;

/** The crop as a small map, with the part in view and the place in focus. */
function drawMap() {
  const { content, rows, columns, top, left } = grids.input;
  const canvas = $("map");
  $("crop-map").hidden = rows >= content.rows && columns >= content.columns;
  const scale = 170 / Math.max(image.width, image.height);
  [canvas.width, canvas.height] = [image.width * scale * 2, image.height * scale * 2];
  canvas.style.width = `${image.width * scale}px`;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(mapPicture, 0, 0, canvas.width, canvas.height);
  const box = [left, top, columns, rows].map((side) => side * scale * 2);
  for (const [width, colour] of [[6, theme.panel], [3, theme.accent]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(...box);
  }
}

// ---- Numbers in the page --------------------------------------------------------------------------------------------

/** An element with properties and children; text is always text. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const shifted = (place, origin) => place.map((index, axis) => index + origin[axis]);
const placeOf = (place, origin) => "row R, column C".replace(/[RC]/g, (axis) => shifted(place, origin)[axis === "R" ? 0 : 1]);

function say(title, pinned, text) {
  $("status").textContent = `${title}${pinned ? " (pinned)" : ""}`;
  $("where").textContent = text;
}

/** A table of numbers; of a large one the middle. */
function numbersOf(name, values, columns, colourOf, border = []) {
  const shown = (count) => (count <= 11 ? [...Array(count).keys()] : middleOf(count));
  const middleOf = (count) => [-1, ...[...Array(9).keys()].map((at) => at + ((count - 9) >> 1)), -1];
  const rows = values.length / columns;
  const cut = rows > 11 || columns > 11 ? `, the middle of ${columns}x${rows}` : "";
  const body = shown(rows).map((row) => make("tr", {}, ...shown(columns).map((column) => {
    if (row < 0 || column < 0) return make("td", { className: "dots" }, "…");
    const at = row * columns + column;
    const cell = make("td", { className: border[at] ? "border" : "" }, figure(values[at], 4));
    cell.dataset.at = at;
    if (colourOf) {
      const [red, green, blue] = colourOf(values[at]);
      cell.style.background = `rgb(${red} ${green} ${blue})`;
      cell.style.color = 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "#ffffff" : "#16181b";
    }
    return cell;
  })));
  return make("figure", { className: "numbers" }, make("figcaption", {}, `${name}${cut}`),
    make("table", { ariaLabel: name }, make("tbody", {}, ...body)));
}

/** Samples, weights and products side by side, and their sum written out. */
function sliceOf({ name, samples, weights, products, border, sum }, columns, names, tables = true) {
  const upstream = names[0] === "upstream";
  const signed = (values) => diverging(largestOf([values]));
  const factors = samples.map((sample, at) => (
    upstream ? `${bracketed(sample)}·${bracketed(weights[at])}` : `${bracketed(weights[at])}·${bracketed(sample)}`
  ));
  const lines = [writtenOut(factors), writtenOut(products.map((product) => figure(product))), figure(sum)];
  const children = [make("p", { className: "sum" }, ...lines.flatMap((line, at) => (
    [make("span", {}, `${at ? "= " : ""}${line}`)]
  )))];
  if (tables) {
    const samplesMet = names[1] === "samples";
    children.unshift(make("div", { className: "factors" },
      numbersOf(names[0], samples, columns, upstream ? signed(samples) : imageScale, upstream ? [] : border), "×",
      numbersOf(names[1], weights, columns, samplesMet ? imageScale : signed(weights), samplesMet ? border : []), "=",
      numbersOf(names[2], products, columns, signed(products))));
  }
  if (border.some(Boolean) && (tables || upstream)) {
    const note = upstream && names[1] !== "samples" ? "Some products pass through the border, which repeats the sample."
      : "Dashed: made by the border.";
    children.push(make("p", { className: "note" }, note));
  }
  return make("div", { className: "slice" }, ...(name ? [make("h4", {}, name)] : []), ...children);
}

function stepsOf(steps) {
  return make("table", { className: "steps" }, make("tbody", {}, ...steps.map(([name, formula, value]) => (
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, formula), make("td", {}, `= ${figure(value)}`))
  ))));
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
    const row = make("tr", { className: chosen ? "chosen" : "" },
      make("td", {}, String(padding)), make("td", {}, size), make("td", {}, ...formulas));
    if (chosen) row.setAttribute("aria-current", "true");
    return row;
  });
  $("sizes").replaceChildren(...rows);
  const weights = kernel.tables.flat(4).length;
  const { height, width } = state.result;
  $("counts").textContent = `${weights} weights, ${(weights * height * width).toLocaleString("en")} multiplications ` +
    `(${$("padding").selectedOptions[0].textContent}), receptive field ` +
    `${state.result.axes[1].reach} x ${state.result.axes[0].reach} (width x height)`;
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
  show("range", Boolean(image.depth));
  show("channel", result.outputs.length > 1);
  show("colours", image.planes.length === 3 && !backward());
  show("show", backward());
  show("upstream", backward());
  show("derivative", backward());
  $("forward-hint").hidden = backward();
  $("backward-hint").hidden = !backward();
  $("weight-gradient").hidden = !backward();
  $("left-name").textContent = !backward() ? "Input" : $("show").value === "gradient" ? "Gradient by the input" : "Input";
  $("right-name").textContent = backward() ? "Upstream gradient" : "Output";
  $("part-note").hidden = !(backward() && (kernel.combine || kernel.offset || image.depth));
  $("channel").replaceChildren(...outputNames().map((name, at) => option(at, name, at === state.channel)));
  if (!backward()) markWeights([]);
}

/** Take a kernel from the list. */
function chooseKernel(name, variant) {
  const entry = data.kernels.find((each) => each.name === name);
  const chosen = entry.variants.find((each) => each.name === variant) ?? entry.variants[0];
  state.kernel = structuredClone(chosen);
  state.edited = false;
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
    text: [kernel.tables.length > 1 && `part ${p + 1}`, part.length > 1 && `output ${o}`,
           kernel.own && (image.names[c] ?? `channel ${c}`)].filter(Boolean).join(", "),
  }))));
  $("table").replaceChildren(...names.map(({ value, text }) => (
    option(value, text, value === `${table.part},${table.output},${table.channel}`)
  )));
  $("table").closest("label").hidden = names.length < 2;
  const rows = kernel.tables[table.part][table.output][table.channel];
  const editable = rows.length <= 15 && rows[0].length <= 15;
  $("weights").replaceChildren(...(editable ? rows.map((row, y) => make("tr", {}, ...row.map((weight, x) => {
    const input = make("input", { value: figure(weight), inputMode: "decimal", autocomplete: "off",
                                  ariaLabel: `weight row ${y}, column ${x}` });
    [input.dataset.row, input.dataset.column] = [y, x];
    return make("td", {}, input);
  }))) : [make("tr", {}, make("td", {}, numbersOf("weights (15x15 and smaller ones can be edited)", rows.flat(), rows[0].length, null)))]));
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
  readTheme();
  const rows = state.kernel.tables[state.table.part][state.table.output][state.table.channel];
  const colourOf = diverging(largestOf([rows.flat()]));
  for (const input of $("weights").querySelectorAll("input")) {
    const [red, green, blue] = colourOf(rows[input.dataset.row][input.dataset.column]);
    input.style.background = `rgb(${red} ${green} ${blue})`;
    input.style.color = 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "#ffffff" : "#16181b";
  }
}

/** Mark the weights that take part, by row and column. */
function markWeights(places) {
  const marked = new Set(places.map(String));
  for (const input of $("weights").querySelectorAll("input")) {
    input.classList.toggle("used", marked.has(`${input.dataset.row},${input.dataset.column}`));
  }
}

function showWeightGradient(weights) {
  const table = numbersOf("dL/dw", weights, state.result.axes[1].kernel, diverging(largestOf([weights])));
  $("weight-gradient").replaceChildren(table);
}

/** Change the kernel by the reader's hand. */
function edit(change) {
  change(state.kernel);
  if (!state.edited) {
    const name = state.kernel.name.replace(/[^A-Za-z0-9_.+-]/g, "-").slice(0, 57);
    Object.assign(state, { edited: true });
    state.kernel.name = `${name}-edited`;
  }
  recompute();
}

/** Give every table a size, with the weights kept around the anchor. */
function resize(kernel, height, width) {
  const fit = (list, length, make) => {
    const shift = ((length - 1) >> 1) - ((list.length - 1) >> 1);
    return Array.from({ length }, (_, at) => list[at - shift] ?? make());
  };
  kernel.tables = kernel.tables.map((part) => part.map((output) => output.map((rows) => (
    fit(rows.map((row) => fit(row, width, () => 0)), height, () => Array(width).fill(0))
  ))));
}

/** The command that does the same at the command line. */
function commandOf() {
  const { options, kernel, edited } = state;
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const pair = ([rows, columns]) => (rows === columns ? `${rows}` : `${rows},${columns}`);
  const words = ["convfilter"];
  if (image.depth) {
    words.push("apply", quoted(data.source));
    if (edited) words.push("--kernels", `${kernel.name}.toml`, "-k", kernel.name);
    else words.push(...(data.kernelFile ? ["--kernels", quoted(data.kernelFile)] : []), "-k", quoted(kernel.name));
  } else {
    const rows = (table) => table.map((row) => row.join(" ")).join("; ");
    const values = Array.from({ length: image.height }, (_, y) => [...image.planes[0].slice(y * image.width, (y + 1) * image.width)]);
    words.push("explain", ...(data.csv ? [quoted(data.source)] : ["--values", quoted(rows(values))]));
    if (kernel.tables.length === 1 && kernel.divisors[0] === 1) words.push("--weights", quoted(rows(kernel.tables[0][0][0])));
    else words.push("-k", quoted(kernel.name));
    words.push("--at", `${state.row},${state.column}`);
  }
  if (options.padding !== "same") words.push("--padding", Array.isArray(options.padding) ? pair(options.padding) : options.padding);
  if (options.border !== "edge") words.push("--border", options.border + (options.border === "constant" ? `=${options.fill}` : ""));
  for (const name of ["stride", "dilation"]) if (pair(options[name]) !== "1") words.push(`--${name}`, pair(options[name]));
  if (options.flip) words.push("--flip");
  if (options.channels !== "each") words.push("--channels", options.channels);
  if (image.depth && options.range !== "auto") words.push("--range", options.range);
  return [...words, ...(image.depth ? data.further : [])].join(" ");
}

function showCommand(text, note = "") {
  $("copied").hidden = !text;
  $("copied").value = text;
  $("copied").rows = Math.min(12, text.split("\n").length + 1);
  $("copy-note").textContent = note;
}

async function copy(text, hint) {
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
  const { height, width } = state.result;
  const at = (state.row * width + state.column + by + height * width) % (height * width);
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
  if (!cell || state.stale || (state.pinned && !click)) return;
  const input = side === "input";
  if (backward() && input) {
    state.pinned = click && !(state.pinned && cell.row === state.focus.row && cell.column === state.focus.column);
    focus("sample", cell.row, cell.column, cell.plane);
    return;
  }
  const [row, column] = input ? outputNear(cell.row, cell.column) : [cell.row, cell.column];
  if (backward() && !click) return; // an output is chosen there to edit its derivative
  move(row, column, { pin: !backward() && click && !(state.pinned && row === state.row && column === state.column) });
}

const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-8, 0], PageDown: [8, 0],
               Home: [0, -Infinity], End: [0, Infinity] };

function press(event, side) {
  const by = KEYS[event.key];
  if (by) {
    if (backward() && side === "input") focus("sample", state.focus.row + by[0], state.focus.column + by[1], state.focus.plane);
    else move(state.row + by[0], state.column + by[1]);
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
  const rerun = ["padding", "samples", "border", "fill", "stride", "dilation", "flip", "channels", "range", "colours", "show",
                 "upstream", "forward", "backward"];
  for (const id of rerun) $(id).addEventListener("input", () => {
    if (id === "backward") Object.assign(state, { focus: { ...state.focus, kind: "sample" }, pinned: false });
    recompute();
    if (id === "backward" && !state.stale) focusOn(state.row * state.result.width + state.column);
  });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("channel").addEventListener("input", () => {
    state.channel = Number($("channel").value);
    if (state.kernel.own && state.kernel.tables[0].length > 1) {
      state.table.output = state.channel;
      showEditor();
    }
    recompute();
  });
  $("kernel").addEventListener("input", () => { chooseKernel($("kernel").value); recompute(); });
  $("parameters").addEventListener("input", () => { chooseKernel($("kernel").value, $("parameters").value); recompute(); });
  $("reset").addEventListener("click", () => { chooseKernel($("kernel").value, $("parameters").value); recompute(); });
  $("table").addEventListener("input", () => {
    const [part, output, channel] = $("table").value.split(",").map(Number);
    state.table = { part, output, channel };
    if (state.kernel.tables[0].length > 1) state.channel = output;
    showEditor();
    recompute();
  });
  const place = (target) => (target.dataset.row ? [Number(target.dataset.row), Number(target.dataset.column)] : null);
  const number = (input, put, fits = Number.isFinite) => {
    const value = input.value.trim() === "" ? NaN : Number(input.value);
    input.setAttribute("aria-invalid", String(!fits(value)));
    if (fits(value)) edit((kernel) => put(kernel, value));
  };
  $("weights").addEventListener("input", ({ target }) => {
    const [row, column] = place(target);
    const { part, output, channel } = state.table;
    number(target, (kernel, value) => { kernel.tables[part][output][channel][row][column] = value; });
    colourWeights();
  });
  for (const kind of ["focusin", "mouseover"]) $("weights").addEventListener(kind, ({ target }) => {
    if (backward() && place(target) && !state.stale) focus("weight", ...place(target));
  });
  $("divisor").addEventListener("input", () => (
    number($("divisor"), (kernel, value) => { kernel.divisors[state.table.part] = value; }, (value) => Number.isFinite(value) && value !== 0)
  ));
  $("offset").addEventListener("input", () => number($("offset"), (kernel, value) => { kernel.offset = value; }));
  $("combine").addEventListener("input", () => edit((kernel) => { kernel.combine = $("combine").value; }));
  for (const id of ["width", "height"]) $(id).addEventListener("change", () => {
    const sides = ["height", "width"].map((each) => clamp(Math.round(Number($(each).value)) || 1, 1, 15));
    edit((kernel) => resize(kernel, ...sides));
    showEditor();
  });
  $("derivative").addEventListener("input", () => {
    const value = Number($("derivative").value);
    if ($("derivative").value.trim() === "" || !Number.isFinite(value)) return;
    state.upstream[state.row * state.result.width + state.column] = value;
    $("upstream").value = "edited";
    buildContents();
    const { value: text } = $("derivative");
    update();
    $("derivative").value = text;
  });
  for (const side of ["input", "output"]) listenToGrid(side);
  $("position").addEventListener("input", () => step(Number($("position").value) - state.row * state.result.width - state.column));
  $("back").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("play").addEventListener("click", () => play(!state.timer));
  $("closer").addEventListener("click", () => zoom(1.4));
  $("farther").addEventListener("click", () => zoom(1 / 1.4));
  $("whole").addEventListener("click", () => zoom(0));
  $("numbers").addEventListener("click", () => zoom(null));
  $("copy-command").addEventListener("click", () => (
    copy(commandOf(), state.edited && image.depth ? `Save the kernel as ${state.kernel.name}.toml ("Copy as TOML").` : "")
  ));
  $("copy-toml").addEventListener("click", () => copy(tomlOf(state.kernel, state.kernel.name.replace(/[^A-Za-z0-9_.+-]/g, "-")), ""));
  $("map").addEventListener("click", (event) => {
    const scale = image.width / $("map").clientWidth;
    point("input", { row: Math.floor(event.offsetY * scale), column: Math.floor(event.offsetX * scale), plane: 0 }, true);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { showEditor(); recompute(); });
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
    const box = $("thumbnail").getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * height);
    const column = Math.floor(((event.clientX - box.left) / box.width) * width);
    if (row >= top && column >= left && row < top + image.height && column < left + image.width) {
      point("input", { row: row - top, column: column - left, plane: 0 }, true);
    } else {
      copy(`${data.again} --at ${row},${column}`, "This command makes the page for that place.");
    }
  });
}

function start() {
  const { options } = data;
  for (const entry of data.kernels) {
    const disabled = entry.unavailable || (entry.variants[0].own && entry.variants[0].tables[0][0].length !== image.planes.length);
    const text = disabled ? `${entry.name} (${entry.unavailable || "other channels"})` : entry.name;
    $("kernel").append(make("option", { value: entry.name, disabled }, text));
  }
  chooseKernel(data.kernel, data.variant);
  for (const id of ["border", "fill", "channels", "range"]) $(id).value = options[id];
  for (const id of ["stride", "dilation"]) $(id).value = options[id].join(",").replace(/^(\d+),\1$/, "$1");
  $("padding").value = Array.isArray(options.padding) ? "number" : options.padding;
  if (Array.isArray(options.padding)) $("samples").value = options.padding.join(",");
  $("flip").checked = options.flip;
  $("upstream").value = image.depth ? "single" : "counted";
  [state.row, state.column] = data.at;
  $("interactive").hidden = false;
  $("without-script").hidden = true;
  listen();
  showOverview();
  recompute();
}

start();
