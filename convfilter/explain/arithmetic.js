"use strict";

// The arithmetic of the interactive page: pure functions with the same results as the program (tested).
// `drawing.js` draws them and `page.js` holds the state; the page contains all three, in that order.

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

/** Rows and columns of a kernel on an image; options hold [rows, columns] for padding, stride and dilation. */
function axesOf(height, width, { tables: [[[table]]], anchor: anchors }, options) {
  return [[height, table.length], [width, table[0].length]].map(([size, kernel], axis) => {
    const [stride, dilation] = [options.stride[axis], options.dilation[axis]];
    const padding = Array.isArray(options.padding) ? options.padding[axis] : options.padding;
    const spread = dilation * (kernel - 1);
    const weight = anchors && (options.flip ? kernel - 1 - anchors[axis] : anchors[axis]);
    const anchor = weight === null ? Math.floor(spread / 2) : dilation * weight;
    const before = { same: anchor, valid: 0, full: spread }[padding] ?? padding;
    const after = padding === "same" ? spread - before : before;
    const output = Math.floor((size + before + after - spread - 1) / stride) + 1;
    return { size, kernel, before, after, stride, dilation, output, reach: spread + 1, anchor };
  });
}

/** The size calculation of an axis, as `convfilter shape` prints it. */
function formulaOf({ size, kernel, before, after, stride, dilation, output }) {
  const padded = before || after ? `${size} + ${before} + ${after}` : `${size}`;
  if (stride === 1 && dilation === 1) return `${padded} - ${kernel} + 1 = ${output}`;
  return `floor((${padded} - ${dilation}*(${kernel} - 1) - 1) / ${stride}) + 1 = ${output}`;
}

/** A plane of samples with its border on; the image begins at `top` and `left`. */
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
  return { samples, width, top: rows.before, left: columns.before };
}

const sampleAt = ({ samples, width, top, left }, [row, column]) => samples[(row + top) * width + column + left];
const isBorder = ([row, column], [rows, columns]) => (
  row < 0 || column < 0 || row >= rows.size || column >= columns.size
);

/** For each weight and row of outputs, call `visit(weight's index, first output, its padded sample, outputs, step)`. */
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

/** The derivative by the weights: a correlation of the samples with their border and the outputs' derivatives. */
function kernelGradient({ samples, width }, upstream, axes) {
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
    return Math.abs(sumOf(weights)) <= 1e-6 * sumOf(weights.map(Math.abs));
  }));
}

/** The weights as they are applied: for each output channel and part, one flat table for each channel it sums. */
function bankOf(kernel, options, count) {
  const summed = kernel.own || options.channels !== "each";
  const channels = kernel.tables[0][0].length;
  if (kernel.own && channels !== count) {
    throw new Error(`kernel '${kernel.name}' needs ${channels} channels, and the image has ${count}`);
  }
  const outputs = kernel.tables[0].map((_, output) => kernel.tables.map((part, number) => {
    let slices = part[output].map((rows) => (options.flip ? rows.flat().reverse() : rows.flat()));
    if (summed && !kernel.own) slices = Array(count).fill(slices[0]);
    return { slices, divisor: kernel.divisors[number] * (options.channels === "mean" ? count : 1) };
  }));
  return { outputs, summed };
}

function combineParts(values, combine) {
  let result = combine === "maximum" ? -Infinity : 0;
  for (const value of values) {
    if (combine === "maximum") result = Math.max(result, value);
    else result += combine === "magnitude" ? value * value : value;
  }
  return combine === "magnitude" ? Math.sqrt(result) : result;
}

const blends = ({ mix, threshold }) => mix !== 1 || threshold > 0;

/** A value blended with the image's sample, by `step` as in `finish`. */
function blend(value, sample, { mix, threshold }, step) {
  if (mix === 0) return step("blend", () => "the mix is 0: the image's own sample", sample);
  const change = value - sample;
  const sign = threshold && change < 0 ? "-" : "+";
  const formula = () => {
    const difference = `${figure(value)} - ${figure(sample)}`.replaceAll("- -", "+ ");
    const taken = threshold ? `max(|${difference}| - ${figure(threshold)}, 0)` : `(${difference})`;
    return `${figure(sample)} ${sign} ${mix === 1 ? "" : `${figure(mix)} * `}${taken}`;
  };
  const distance = Math.max(Math.abs(change) - threshold, 0);
  return step("blend", formula, sample + mix * (change < 0 ? -distance : distance));
}

/** How an image's values become samples: offset and threshold in its units, the range, the extremes for `stretch`. */
function finishOf(image, kernel, options) {
  const { depth } = image;
  if (!depth) return { offset: kernel.offset, range: "raw", depth };
  let range = options.range === "auto" ? kernel.range : options.range;
  if (range === "auto") {
    range = kernel.tables.length === 1 && !kernel.offset && isZeroSum(kernel) ? "absolute" : "clip";
  }
  const { mix, threshold } = options;
  return { offset: kernel.offset * depth.full, range, depth, mix, threshold: threshold * depth.full };
}

/** From the combined value to the sample; `own` is the image's, `note`, if there is one, gets name, formula, value. */
function finish(value, settings, own, note) {
  const { offset, range, depth, extremes } = settings;
  const step = (name, formula, made) => {
    if (note) note(name, formula(), made);
    return made;
  };
  if (offset) value = step("offset", () => `${figure(value)} + ${figure(offset)}`, value + offset);
  if (!depth) return value;
  const { full, low, high } = depth;
  if (range === "absolute") {
    value = step("absolute", () => `|${figure(value)}|`, Math.abs(value));
  } else if (range === "signed") {
    value = step("signed", () => `${figure(value)} / 2 + ${figure(full)} / 2`, (value + full) / 2);
  } else if (range === "stretch") {
    const [least, most] = extremes.map((each) => each + offset);
    const formula = () => {
      const span = `${figure(most)} - ${figure(least)}`;
      return `(${figure(value)} - ${figure(least)}) * ${figure(full)} / (${span})`.replaceAll("- -", "+ ");
    };
    value = most > least ? step("stretch", formula, ((value - least) * full) / (most - least))
      : step("stretch", () => "the image is flat", 0);
  }
  if (blends(settings)) value = blend(value, own, settings, step);
  if (range === "raw") return step("raw", () => "no rounding, no clipping", Math.fround(value));
  if (!depth.integer) return value;
  const rounded = Math.floor(value + 0.5 + SNAP);
  const digits = () => (Math.floor(Number(figure(value)) + 0.5) === rounded ? 6 : 9);
  step("round", () => `floor(${figure(value, digits())} + 0.5)`, rounded);
  const clipped = Math.min(Math.max(rounded, low), high);
  return clipped === rounded ? rounded : step("clip", () => `to ${low}..${high}`, clipped);
}

/** Filter an image {height, width, planes, depth}; without a depth its values are plain numbers. */
function filterImage(image, kernel, options) {
  const axes = axesOf(image.height, image.width, kernel, options);
  ["height", "width"].forEach((name, number) => {
    const { size, before, after, kernel: side, reach, output } = axes[number];
    const padded = before || after ? ` + ${before} + ${after}` : "";
    const spread = reach > side ? ` (${reach} with dilation)` : "";
    if (output < 1) {
      throw new Error(`the output is empty: the ${name}, ${size}${padded}, is smaller than the kernel's, ${side}${spread}`);
    }
  });
  const bank = bankOf(kernel, options, image.planes.length);
  const made = bank.summed ? bank.outputs.length : image.planes.length;
  const alike = made === image.planes.length && axes.every(({ size, output }) => size === output);
  if (image.depth && blends(options) && !alike) {
    throw new Error("the output has another size or other channels than the image, and cannot be blended with it: " +
      "keep size and channels, or set mix to 1 and threshold to 0");
  }
  const fill = options.border === "constant" ? options.fill * (image.depth?.full ?? 1) : 0;
  const padded = image.planes.map((plane) => padPlane(plane, axes, options.border, fill));
  const count = axes[0].output * axes[1].output;
  const values = Array.from({ length: made }, (_, channel) => {
    const parts = bank.outputs[bank.summed ? channel : 0].map(({ slices, divisor }) => {
      const sums = new Float64Array(count);
      slices.forEach((weights, slice) => addProducts(sums, padded[bank.summed ? slice : channel], weights, axes));
      return divisor === 1 ? sums : sums.map((sum) => sum / divisor);
    });
    if (parts.length === 1) return parts[0];
    const values = parts.map(() => 0);
    return parts[0].map((_, at) => {
      for (let number = 0; number < values.length; number++) values[number] = parts[number][at];
      return combineParts(values, kernel.combine);
    });
  });
  const settings = finishOf(image, kernel, options);
  if (settings.range === "stretch") settings.extremes = extremesOf(values, image, bank);
  const outputs = values.map((each, channel) => (
    each.map((value, at) => finish(value, settings, image.planes[channel]?.[at]))
  ));
  return { axes, bank, padded, settings, outputs, height: axes[0].output, width: axes[1].output };
}

/** The smallest and largest finite value; both the same where they differ by roundings only. */
function extremesOf(values, { depth, planes }, { outputs }) {
  const [least, most] = leastAndMost(values);
  const weights = outputs.flat().map(({ slices, divisor }) => slices.flat().map((weight) => [weight, divisor]));
  const exact = depth.integer && weights.flat(1).every((pair) => pair.every(Number.isInteger));
  const largest = depth.integer ? depth.full : Math.max(...leastAndMost(planes).map(Math.abs));
  const sums = weights.map((part) => sumOf(part.map(([weight, divisor]) => Math.abs(weight / divisor))));
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

/** Samples with their weights multiplied and added up; a sample under a weight of zero does not count. */
function multiplied(slice) {
  const products = slice.weights.map((weight, at) => (weight === 0 ? 0 : weight * slice.samples[at]));
  return { ...slice, products, sum: sumOf(products) };
}

/** How one output is computed: for each part its slices and steps, then the steps to the sample. */
function explainAt(image, kernel, { axes, bank, padded, settings }, row, column, channel) {
  const [rows, columns] = axes;
  const top = row * rows.stride - rows.before;
  const left = column * columns.stride - columns.before;
  const parts = bank.outputs[bank.summed ? channel : 0].map(({ slices, divisor }) => {
    const tables = slices.map((weights, slice) => {
      const source = bank.summed ? slice : channel;
      const places = weights.map((_, index) => [
        top + Math.floor(index / columns.kernel) * rows.dilation, left + (index % columns.kernel) * columns.dilation,
      ]);
      const samples = places.map((place) => sampleAt(padded[source], place));
      const border = places.map((place) => isBorder(place, axes));
      return multiplied({ name: bank.summed ? image.names[source] : "", samples, weights, border });
    });
    const sums = tables.map(({ sum }) => sum);
    const steps = tables.length > 1 ? tables.map((each) => [`sum of ${each.name}`, "all products", each.sum]) : [];
    const whole = sumOf(sums);
    steps.push(["sum", sums.length > 1 ? added(sums) : "all products", whole], ...divided(whole, divisor));
    return { slices: tables, steps, value: whole / divisor };
  });
  const values = parts.map((part) => part.value);
  const combined = combineParts(values, kernel.combine);
  const [name, formula] = {
    magnitude: ["magnitude", `sqrt(${values.map((value) => `${bracketed(value)}^2`).join(" + ")})`],
    maximum: ["maximum", `max(${values.map((value) => figure(value)).join(", ")})`],
    sum: ["sum of parts", added(values)],
  }[kernel.combine] ?? [];
  const steps = name ? [[name, formula, combined]] : [];
  const own = image.planes[channel]?.[row * columns.size + column]; // what is blended with has the output's size
  const value = finish(combined, settings, own, (...step) => steps.push(step));
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

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);
const bracketed = (value) => (value < 0 ? `(${figure(value)})` : figure(value));
const added = (values) => values.map((value) => figure(value)).join(" + ").replaceAll("+ -", "- ");

const divided = (value, divisor) => (
  divisor === 1 ? [] : [["divide", `${figure(value)} / ${figure(divisor)}`, value / divisor]]
);

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
  if (kernel.anchor) lines.push(`anchor  = [${kernel.anchor.join(", ")}]`);
  if (kernel.range !== "auto") lines.push(`range   = "${kernel.range}"`);
  return `${lines.join("\n")}\n`;
}

/** The samples of an image, out of base64: channel after channel, little-endian. */
function decodeImage({ height, width, names, type, samples, depth }) {
  const bytes = Uint8Array.from(atob(samples), (character) => character.charCodeAt(0));
  const all = Float64Array.from(new window[type](bytes.buffer));
  const size = height * width;
  const planes = names.map((_, channel) => all.subarray(channel * size, (channel + 1) * size));
  return { height, width, names, depth, planes };
}
