// The gallery: its controls, and the thumbnails in order.
"use strict";

const form = document.getElementById("controls");
let state;

function element(name, className, ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

// Fill a select with [[value, text]]; its label is hidden where there is no choice.
function fill(name, choices) {
  const select = form.elements[name];
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  select.value = state[name];
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  state[name] = select.value;
  select.closest("label").hidden = choices.length < 2;
}

function fillControls(split) {
  const stages = scoredLayers(split).map((layer) => [layer.key, layer.title]);
  const layers = split.layers.filter((layer) => layer.kind !== "class maps").map((layer) => [layer.key, layer.title]);
  fill("split", REPORT.splits.map((each) => [each.name, `${each.name} (${each.items.length})`]));
  fill("stage", stages);
  fill("with", stages);
  fill("sort", Object.entries(ORDERS).filter(([name]) => stages.length || name === "list"));
  fill("class", [["", "all"], ...REPORT.classes.map((name) => [name, name])]);
  fill("over", [["", stages.length ? "the stage" : "the last label"], ["none", "nothing"], ...layers]);
  for (const note of document.querySelectorAll("[data-note]")) note.hidden = note.dataset.note !== split.name;
}

// The place of the layer that is laid over the thumbnails, -1 for none.
function overlayOf(split) {
  const labels = split.layers.filter((layer) => layer.kind !== "class maps" && layer.kind !== "map");
  const key = state.over || state.stage || labels.at(-1)?.key;
  return split.layers.findIndex((layer) => layer.key === key);
}

function picture(source, className) {
  const made = element("img", className);
  Object.assign(made, { loading: "lazy", alt: "", src: source });
  return made;
}

function thumbnail(split, over, { item, score, gain }) {
  const folder = `files/pictures/${split.name}`;
  const stack = element("span", "stack", picture(`${folder}/thumbnail/${item.id}.jpg`, ""));
  stack.style.aspectRatio = `${item.size[0]} / ${item.size[1]}`;
  if (over >= 0) {
    const layer = split.layers[over];
    const overlay = picture(`${folder}/${layer.folder}/${item.id}.png`, `layer ${layer.kind}`);
    overlay.onerror = () => overlay.replaceWith(element("span", "gone", "no picture"));
    stack.append(overlay);
  }
  const link = element("a", "", stack, element("span", "id", item.id));
  link.href = `images/${split.name}/${item.id}.html${hashOf(state)}`;
  if (state.stage) {
    const line = element("span", "score", score === null ? "–" : score.toFixed(1));
    if (gain !== null && state.with !== state.stage) {
      const sign = gain > 0 ? "+" : gain < 0 ? "−" : "±";
      const style = gain > 0 ? "good" : gain < 0 ? "bad" : "muted";
      line.append(" ", element("span", style, sign + Math.abs(gain).toFixed(1)));
    }
    link.append(line);
  }
  link.append(element("span", "classes", item.classes.map((cls) => REPORT.classes[cls]).join(", ") || "no class"));
  const entry = element("li", "", link);
  entry.dataset.id = item.id;
  return entry;
}

function show() {
  const split = splitOf(state);
  fillControls(split);
  const rows = ordered(state);
  document.getElementById("thumbnails").replaceChildren(...rows.map((row) => thumbnail(split, overlayOf(split), row)));
  document.getElementById("count").textContent = `${rows.length} of ${split.items.length} images`;
  const title = (key) => split.layers.find((layer) => layer.key === key)?.title;
  let what = state.stage && `mIoU of each image in percent, ${title(state.stage)}`;
  if (state.with !== state.stage) what += `, and its gain over ${title(state.with)}`;
  document.getElementById("what").textContent = what;
}

function start() {
  form.hidden = !REPORT.splits.length;
  state = readState();
  if (!form.hidden) show();
}

form.addEventListener("input", () => {
  state = complete(Object.fromEntries(new FormData(form)));
  keepState(state);
  show();
});
window.addEventListener("hashchange", start);
start();
