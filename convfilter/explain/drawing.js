"use strict";

// What the interactive page draws: colours, the two grids with their marks, the map, and tables of numbers.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const image = decodeImage(data.image);

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** An element with properties and children; text is always text. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// ---- Colours --------------------------------------------------------------------------------------------------------

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

/** A colour for text on another colour. */
const inkOn = ([red, green, blue]) => (0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "#ffffff" : "#16181b");

function paint(element, colour) {
  element.style.background = `rgb(${colour.join(" ")})`;
  element.style.color = inkOn(colour);
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
  values.forEach((value, at) => {
    const colour = colourOf(value, at);
    for (let channel = 0; channel < 3; channel++) pixels.data[4 * at + channel] = colour[channel];
    pixels.data[4 * at + 3] = 255;
  });
  picture.getContext("2d").putImageData(pixels, 0, 0);
  const some = values.filter((_, at) => at % Math.ceil(values.length / 2000) === 0);
  const longest = Math.max(...Array.from(some, (value) => figure(value, 4).length));
  return { values, picture, pixels: pixels.data, name, longest };
}

/** How an image's samples look: from black to full scale; plain numbers from their smallest to their largest. */
const imageScale = image.depth ? greys(0, image.depth.full) : greys(...leastAndMost(image.planes));
const isColour = String(image.names) === "red,green,blue";
const inColour = (planes) => (_, at) => planes.map((plane) => imageScale(plane[at])[0]);

// ---- Grids ----------------------------------------------------------------------------------------------------------

const GUTTER = { left: 38, top: 20 }; // for the numbers of rows and columns, and the names of planes
const tallest = () => (window.innerWidth > 900 ? 430 : 270);
const widthFor = (canvas) => canvas.closest("figure").clientWidth - GUTTER.left - 3;
const grids = { input: { canvas: $("input") }, output: { canvas: $("output") } };

/** The side of a cell in which all numbers of a grid fit, and the one in which the whole grid fits. */
function cellSizes({ canvas, content }) {
  const height = tallest() / content.planes.length - GUTTER.top;
  return {
    numbers: Math.max(28, Math.max(...content.planes.map((plane) => plane.longest)) * 7.5 + 8),
    fitting: Math.min(widthFor(canvas) / content.columns, (height - 1) / content.rows),
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
    const height = tallest() / count - GUTTER.top;
    grid.columns = Math.min(content.columns, Math.max(1, Math.floor(widthFor(canvas) / grid.cell + 1e-9)));
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
function reveal(grid, row, column, rows = 1, columns = 1) {
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

/** Draw a grid with its marks {row, column, rows, columns, colour, thin, plane}: by default one cell of all planes. */
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
    const inView = ({ plane = number, row, column, rows: tall = 1, columns: wide = 1 }) => (
      plane === number && row < grid.top + rows && row + tall > grid.top &&
      column < grid.left + columns && column + wide > grid.left
    );
    for (const mark of marks.filter(inView)) {
      const box = [mark.column - grid.left, mark.row - grid.top, mark.columns ?? 1, mark.rows ?? 1];
      outline(context, box.map((side) => side * cell), mark.thin ? 1.5 : 3, mark.colour);
    }
    context.restore();
  });
}

/** Outline a box so that it shows on any colour. */
function outline(context, box, width, colour) {
  for (const [lineWidth, strokeStyle] of [[width < 3 ? 3 : 5, theme.panel], [width, colour]]) {
    Object.assign(context, { lineWidth, strokeStyle });
    context.strokeRect(...box);
  }
}

function drawPlane(context, grid, { picture, pixels, values, longest }) {
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
  const size = Math.max(9, Math.min(15, Math.max(11, cell * 0.34), (cell - 3) / longest / 0.61));
  context.font = `${size}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace`;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (row + from[1]) * content.columns + column + from[0];
      const ink = inkOn(pixels.subarray(4 * at, 4 * at + 3));
      context.fillStyle = context.strokeStyle = ink;
      if (content.hatched?.(row + top, column + left)) hatch(context, column * cell, row * cell, cell);
      if (content.dotted?.(row + top, column + left)) dot(context, column * cell, row * cell, cell);
      const text = figure(values[at], 4);
      if (text.length * size * 0.6 > cell - 2) continue;
      context.fillText(text, (column + 0.5) * cell, (row + 0.5) * cell + 1);
    }
  }
}

/** Mark a border sample: lines across two corners of its cell. */
function hatch(context, x, y, cell) {
  context.globalAlpha = 0.5;
  context.beginPath();
  for (const step of [cell * 0.15, cell * 0.3]) {
    context.moveTo(x + 1, y + step);
    context.lineTo(x + step, y + 1);
    context.moveTo(x + cell - 1, y + cell - step);
    context.lineTo(x + cell - step, y + cell - 1);
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** Mark a sample over which the anchor of the kernel stops. */
function dot(context, x, y, cell) {
  context.beginPath();
  context.arc(x + cell / 2, y + cell - Math.max(3, cell * 0.12), Math.max(1.2, cell * 0.05), 0, 2 * Math.PI);
  context.fill();
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
    context.textAlign = "left";
    context.fillText(name, -GUTTER.left, -8, GUTTER.left - 4);
  }
  context.textAlign = "center";
}

/** Cells of a window as marks: one box, or a box for each cell where dilation or stride sets them apart. */
function windowMarks(top, left, rows, columns, [down, across], colour) {
  const each = (count, step) => Array.from({ length: count }, (_, at) => at * step);
  if (down === 1 && across === 1) return [{ row: top, column: left, rows, columns, colour }];
  return each(rows, down).flatMap((y) => each(columns, across).map((x) => (
    { row: top + y, column: left + x, colour, thin: true }
  )));
}

const mapPicture = planeOf(
  image.planes[0], image.width, isColour ? inColour(image.planes) : imageScale,
).picture;

/** The crop as a small map, with the part in view and the place in focus. */
function drawMap() {
  const { content, rows, columns, top, left } = grids.input;
  const canvas = $("map");
  $("crop-map").hidden = image.width * image.height < 400 || (rows >= content.rows && columns >= content.columns);
  const scale = 165 / Math.max(image.width, image.height);
  [canvas.width, canvas.height] = [image.width * scale * 2, image.height * scale * 2];
  canvas.style.width = `${image.width * scale}px`;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(mapPicture, 0, 0, canvas.width, canvas.height);
  outline(context, [left, top, columns, rows].map((side) => side * scale * 2), 3, theme.accent);
}

// ---- Tables of numbers ----------------------------------------------------------------------------------------------

/** A table of numbers; of a large one the middle. */
function numbersOf(name, values, columns, colourOf, border = []) {
  const most = values.every(Number.isInteger) ? 11 : 9;
  const middle = (count) => [-1, ...[...Array(most - 2).keys()].map((at) => at + ((count - most + 2) >> 1)), -1];
  const shown = (count) => (count <= most ? [...Array(count).keys()] : middle(count));
  const rows = values.length / columns;
  const cut = rows > most || columns > most ? `, the middle of ${columns}x${rows}` : "";
  const cellOf = (at) => {
    const cell = make("td", { className: border[at] ? "border" : "" }, figure(values[at], columns > 5 ? 3 : 4));
    paint(cell, colourOf(values[at]));
    return cell;
  };
  const dots = () => make("td", { className: "dots" }, "…");
  const body = shown(rows).map((row) => make("tr", {}, ...shown(columns).map((column) => (
    row < 0 || column < 0 ? dots() : cellOf(row * columns + column)
  ))));
  return make("figure", { className: "numbers" }, make("figcaption", {}, `${name}${cut}`),
    make("table", { ariaLabel: name }, make("tbody", {}, ...body)));
}

/** Samples, weights and products side by side, under names for the factors, and their sum written out. */
function sliceOf({ name, samples, weights, products, border, sum }, columns, [first, second], tables = true) {
  const upstream = first === "upstream";
  const samplesMet = second === "samples";
  const signed = (values) => diverging(largestOf([values]));
  const factors = samples.map((sample, at) => (
    upstream ? `${bracketed(sample)}·${bracketed(weights[at])}` : `${bracketed(weights[at])}·${bracketed(sample)}`
  ));
  const inNumbers = products.length > 1 ? [writtenOut(products.map((product) => figure(product)))] : [];
  const lines = [writtenOut(factors), ...inNumbers, figure(sum)];
  const children = [make("p", { className: "sum" }, ...lines.map((line, at) => make("span", {}, at ? `= ${line}` : line)))];
  if (tables) {
    const factor = (...content) => make("div", { className: "factor" }, ...content);
    children.unshift(make("div", { className: "factors" },
      factor(numbersOf(first, samples, columns, upstream ? signed(samples) : imageScale, upstream ? [] : border)),
      factor("×", numbersOf(second, weights, columns, samplesMet ? imageScale : signed(weights), samplesMet ? border : [])),
      factor("=", numbersOf("products", products, columns, signed(products)))));
  }
  if (border.some(Boolean) && (tables || upstream)) {
    const note = upstream && !samplesMet ? "Some products pass through the border, which repeats the sample."
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
