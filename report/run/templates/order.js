// What the gallery shows and in which order, shared by the gallery and the pages of images. It is all in the address,
// behind the #, so that a link keeps it and the pages of images know what comes next.
"use strict";

const ORDERS = {
  low: "mIoU, lowest first",
  high: "mIoU, highest first",
  gain: "gain, largest first",
  loss: "loss, largest first",
  list: "place in the list",
  id: "id",
};
const FIELDS = ["split", "stage", "with", "sort", "class", "alone", "kind", "find", "over", "view", "opacity"];

// The state in the address: an object with a string for each of FIELDS; what does not fit the report has its default,
// at first the last split, as the validation images are, and where its last stage is worst.
function readState() {
  const found = new URLSearchParams(location.hash.slice(1));
  const state = Object.fromEntries(FIELDS.map((name) => [name, found.get(name) || ""]));
  if (!REPORT.splits.some((split) => split.name === state.split)) state.split = REPORT.splits.at(-1)?.name || "";
  return complete(state);
}

// Fill in the state's defaults: the split's last stage, compared with the one before.
function complete(state) {
  const stages = scoredLayers(splitOf(state)).map((layer) => layer.key);
  if (!stages.includes(state.stage)) state.stage = stages.at(-1) || "";
  if (!stages.includes(state.with)) state.with = stages[Math.max(0, stages.indexOf(state.stage) - 1)] || "";
  if (!REPORT.classes.includes(state.class)) state.class = "";
  if (!["simple", "complex"].includes(state.kind)) state.kind = "";
  const orders = Object.keys(ORDERS).filter((name) => stages.length || name === "list" || name === "id");
  if (!orders.includes(state.sort)) state.sort = orders[0];
  return state;
}

// The state as the part of an address behind the #, fields that are empty left out.
function hashOf(state) {
  const filled = FIELDS.filter((name) => state[name]).map((name) => [name, state[name]]);
  return "#" + new URLSearchParams(filled);
}

function splitOf(state) {
  return REPORT.splits.find((split) => split.name === state.split) || { name: "", images: 0, layers: [], items: [] };
}

function scoredLayers(split) {
  return split.layers.filter((layer) => layer.scored);
}

// An image's score in a stage, in percent, or null: its mIoU, or the IoU of the chosen class alone.
function scoreOf(split, item, state, key) {
  const scores = item.scores[split.layers.findIndex((layer) => layer.key === key)];
  if (!scores) return null;
  return state.alone && state.class ? scores.classes[REPORT.classes.indexOf(state.class) + 1] ?? null : scores.mean;
}

// The images that are found, in order: [{item, score, gain}]; a score or gain that is undefined is null and comes last.
function ordered(state) {
  const split = splitOf(state);
  const chosen = REPORT.classes.indexOf(state.class);
  const wanted = state.find.trim().toLowerCase();
  const rows = [];
  for (const item of split.items) {
    if (chosen >= 0 && !item.classes.includes(chosen)) continue;
    if (state.kind && (!item.classes.length || (state.kind === "simple") !== (item.classes.length === 1))) continue;
    if (!item.id.toLowerCase().includes(wanted)) continue;
    const score = scoreOf(split, item, state, state.stage);
    const before = scoreOf(split, item, state, state.with);
    const gain = score === null || before === null ? null : Math.round((score - before) * 1e6) / 1e6;
    rows.push({ item, score, gain });
  }
  const sorts = { high: ["score", -1], low: ["score", 1], gain: ["gain", -1], loss: ["gain", 1] };
  const [value, direction] = sorts[state.sort] || [];
  if (value) rows.sort((a, b) => compare(a[value], b[value], direction)); // stable: ties keep the list's order
  if (state.sort === "id") rows.sort((a, b) => (a.item.id < b.item.id ? -1 : 1));
  return rows;
}

function compare(a, b, direction) {
  if (a === null || b === null) return (a === null) - (b === null);
  return direction * (a - b);
}

// A number with one digit, as the report's tables write it.
function number(value) {
  return value === null || value === undefined ? "–" : value.toFixed(1);
}

function signed(value) {
  return (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(1);
}

// Replace the address without a new entry in the history; a browser that forbids it loses the link alone.
function keepState(state) {
  try {
    history.replaceState(null, "", hashOf(state));
  } catch {
    // such as too many calls in a short time
  }
}
