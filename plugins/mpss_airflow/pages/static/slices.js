// Slices of the volume around the heart, drawn on a canvas: plane, slice, window, masks.
const COLOURS = ["#ffd24a", "#62e05a", "#35d0e8", "#ff8ad1", "#b39dff", "#ffa14a"];
const WARM = [[0, 0, 0], [90, 0, 0], [176, 30, 0], [236, 106, 0], [255, 196, 0], [255, 246, 168], [255, 255, 255]];
const $ = (id) => document.getElementById(id);
let seen = null;

const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

export async function start(url, tell) {
  if (seen?.url === url && seen.canvas === $("canvas")) return draw();
  const answer = await fetch(url);
  if (!answer.ok) return tell(`The slices cannot be shown: ${(await answer.json()).problem}`, "stop");
  const found = await answer.json();
  seen = {
    url, ...found, canvas: $("canvas"), plane: 0, shown: new Set([0]),
    counts: new Uint16Array(bytes(found.counts).buffer), masks: bytes(found.masks),
    gates: bytes(found.gates), gate: 0, // 0: the sum; it is what was measured
    at: found.shape.map((n) => n >> 1),
  };
  $("cine").hidden = !found.n_gates;
  $("gate").max = found.n_gates;
  $("white").value = Math.round(found.white * 100);
  $("layers").append(...found.layers.map(layer));
  listen();
  choosePlane(0);
}

function layer(name, k) {
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: k === 0 });
  box.addEventListener("change", () => { seen.shown[box.checked ? "add" : "delete"](k); draw(); });
  const sign = document.createElement("i");
  sign.style.background = COLOURS[k];
  label.append(box, " ", sign, ` ${name}`);
  return label;
}

function listen() {
  const { canvas } = seen;
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); step(Math.sign(event.deltaY)); }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (way) { event.preventDefault(); step(way); }
  });
  let from = null;
  canvas.addEventListener("pointerdown", (event) => { from = [event.clientY, Number($("white").value)]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    $("white").value = from[1] + (event.clientY - from[0]) / 3;
    draw();
  });
  canvas.addEventListener("pointerup", () => { from = null; });
  $("plane").addEventListener("change", () => choosePlane(Number($("plane").value)));
  $("slice").addEventListener("input", () => { seen.at[seen.plane] = Number($("slice").value); draw(); });
  $("gate").addEventListener("input", () => choose(Number($("gate").value)));
  $("play").addEventListener("click", play);
  for (const name of ["white", "black"]) $(name).addEventListener("input", draw);
}

document.addEventListener("mpss-masks", () => {
  const boxes = [...document.querySelectorAll("#layers input")];
  const on = !boxes.some((box) => box.checked);
  boxes.forEach((box, k) => {
    box.checked = on && k === 0;
    seen.shown[box.checked ? "add" : "delete"](k);
  });
  draw();
});

// ---------------------------------------------------------------- gates

const BEAT_MS = 1000; // all gates of the beat, whatever its true length

function choose(gate) {
  seen.gate = gate;
  draw();
}

function play() {
  const button = $("play");
  const plays = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(plays));
  if (!plays) return choose(0);
  const { canvas, n_gates: n } = seen;
  const timer = setInterval(() => {
    if (!canvas.isConnected || button.getAttribute("aria-pressed") !== "true") return clearInterval(timer);
    choose((seen.gate % n) + 1);
  }, BEAT_MS / n);
}

function choosePlane(plane) {
  seen.plane = plane;
  $("slice").max = seen.shape[plane] - 1;
  draw();
}

function step(by) {
  const { plane, shape, at } = seen;
  at[plane] = Math.min(Math.max(at[plane] + by, 0), shape[plane] - 1);
  draw();
}

function warm(share) {
  const at = Math.min(Math.max(share, 0), 1) * (WARM.length - 1);
  const k = Math.min(Math.floor(at), WARM.length - 2);
  return WARM[k].map((from, c) => from + (WARM[k + 1][c] - from) * (at - k));
}

function draw() {
  const { plane, shape, at, ways, spacing_mm: mm, counts, masks, shown, canvas, gates, gate } = seen;
  const gateAt = (gate - 1) * counts.length;
  const value = (k) => (gate ? gates[gateAt + k] * 257 : counts[k]);
  const [rowAxis, columnAxis] = [[1, 2], [0, 2], [0, 1]][plane];
  const [rows, columns] = [shape[rowAxis], shape[columnAxis]];
  const strides = [shape[1] * shape[2], shape[2], 1];
  // Head or anterior up, the patient's right on the left, as the axes of the volume allow.
  const down = !"FP".includes(ways[rowAxis][0]);
  const right = !"LP".includes(ways[columnAxis][0]);
  const index = (r, c) => at[plane] * strides[plane] + (down ? r : rows - 1 - r) * strides[rowAxis] + (right ? c : columns - 1 - c) * strides[columnAxis];
  const white = (Math.max(Number($("white").value), Number($("black").value) + 1) / 100) * 65535;
  const black = (Number($("black").value) / 100) * 65535;
  const table = Array.from({ length: 256 }, (_, k) => warm(k / 255));
  const pixels = new ImageData(columns, rows);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    const share = (value(index(r, c)) - black) / (white - black);
    const colour = table[Math.round(Math.min(Math.max(share, 0), 1) * 255)];
    pixels.data.set([...colour, 255], (r * columns + c) * 4);
  }
  const size = Math.min(560 / (columns * mm[columnAxis]), 560 / (rows * mm[rowAxis]));
  const [sx, sy] = [size * mm[columnAxis], size * mm[rowAxis]];
  canvas.width = Math.round(columns * sx);
  canvas.height = Math.round(rows * sy);
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(pixels, 0, 0);
  const paint = canvas.getContext("2d");
  paint.drawImage(small, 0, 0, canvas.width, canvas.height);
  for (const k of shown) outline(paint, (r, c) => r >= 0 && c >= 0 && r < rows && c < columns && ((masks[index(r, c)] >> k) & 1) === 1, rows, columns, sx, sy, COLOURS[k]);
  $("slice").value = at[plane];
  $("gate").value = gate;
  $("gate-said").textContent = gate ? `${gate} of ${seen.n_gates}, masks of ${seen.gates_are_own ? "the sum" : "the chosen series"}` : seen.gates_are_own ? "sum of all" : "the chosen series";
  $("where").textContent = `slice ${seen.first[plane] + at[plane] + 1}, every ${mm[plane]} mm`;
  const said = (level) => (gate ? `${Math.round(level / 655.35)} % of the most` : `${Math.round((level / 65535) * seen.top)} counts`);
  $("white-said").textContent = said(white);
  $("black-said").textContent = said(black);
  const [first, last] = [ways[rowAxis], ways[columnAxis]].map((ends, k) => ((k ? right : down) ? [...ends] : [...ends].reverse()))
    .reduce((top, side) => [[top[0], side[0]], [top[1], side[1]]]);
  write(paint, first[0], canvas.width / 2 - 5, 16);
  write(paint, last[0], canvas.width / 2 - 5, canvas.height - 6);
  write(paint, first[1], 5, canvas.height / 2);
  write(paint, last[1], canvas.width - 16, canvas.height / 2);
  write(paint, "RESEARCH USE ONLY", 6, canvas.height - 6, "#ffb184", "600 11px system-ui, sans-serif");
}

// On white counts too: with a dark edge.
function write(paint, words, x, y, colour = "#fff", font = "600 14px system-ui, sans-serif") {
  Object.assign(paint, { font, lineWidth: 3.5, lineJoin: "round", strokeStyle: "#000", fillStyle: colour });
  paint.strokeText(words, x, y);
  paint.fillText(words, x, y);
}

function outline(paint, inside, rows, columns, sx, sy, colour) {
  paint.strokeStyle = colour;
  paint.lineWidth = 1.5;
  paint.beginPath();
  for (let r = 0; r <= rows; r++) for (let c = 0; c <= columns; c++) {
    if (inside(r, c) !== inside(r, c - 1) && r < rows) { paint.moveTo(c * sx, r * sy); paint.lineTo(c * sx, (r + 1) * sy); }
    if (inside(r, c) !== inside(r - 1, c) && c < columns) { paint.moveTo(c * sx, r * sy); paint.lineTo((c + 1) * sx, r * sy); }
  }
  paint.stroke();
}
