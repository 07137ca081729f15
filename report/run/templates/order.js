// The images of the gallery in order, for the gallery and the pages of images. The choices are in the address, behind
// the #, so that a link keeps them and the page of an image knows which images are next to it.
"use strict";

const ORDERS = {
  low: "mIoU, lowest first",
  high: "mIoU, highest first",
  gain: "gain, largest first",
  loss: "loss, largest first",
  list: "order of the list",
};

// The choices: an object of strings. Anything that does not fit the report is replaced by its default: the last split,
// which has the validation images, its last stage compared with the one before, lowest scores first.
function readState() {
  return complete(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
}

function complete(state) {
  const check = (name, allowed, other) => {
    if (!allowed.includes(state[name])) state[name] = other ?? "";
  };
  check("split", REPORT.splits.map((split) => split.name), REPORT.splits.at(-1)?.name);
  const stages = scoredLayers(splitOf(state)).map((layer) => layer.key);
  check("stage", stages, stages.at(-1));
  check("with", stages, stages[Math.max(0, stages.indexOf(state.stage) - 1)]);
  check("class", REPORT.classes);
  check("sort", stages.length ? Object.keys(ORDERS) : ["list"], stages.length ? "low" : "list");
  return state;
}

function keepState(state) {
  history.replaceState(null, "", hashOf(state));
}

// The state as the part of an address behind the #, without empty fields.
function hashOf(state) {
  return "#" + new URLSearchParams(Object.entries(state).filter(([, value]) => value));
}

function splitOf(state) {
  return REPORT.splits.find((split) => split.name === state.split) || { name: "", images: 0, layers: [], items: [] };
}

function scoredLayers(split) {
  return split.layers.filter((layer) => layer.scored);
}

// The images that were asked for, in order: [{item, score, gain}], in percent. A score or gain of null comes last.
function ordered(state) {
  const split = splitOf(state);
  const places = [state.stage, state.with].map((key) => split.layers.findIndex((layer) => layer.key === key));
  const chosen = REPORT.classes.indexOf(state.class);
  const rows = [];
  for (const item of split.items) {
    if (chosen >= 0 && !item.classes.includes(chosen)) continue;
    const [score, before] = places.map((place) => item.scores[place] ?? null);
    const gain = score === null || before === null ? null : Math.round((score - before) * 1e6) / 1e6;
    rows.push({ item, score, gain });
  }
  const sorts = { high: ["score", -1], low: ["score", 1], gain: ["gain", -1], loss: ["gain", 1] };
  const [value, direction] = sorts[state.sort] || [];
  if (value) rows.sort((a, b) => compare(a[value], b[value], direction)); // stable: ties keep the list's order
  return rows;
}

function compare(a, b, direction) {
  return a === null || b === null ? (a === null) - (b === null) : direction * (a - b);
}
