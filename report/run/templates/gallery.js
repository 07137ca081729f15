// The gallery: choices, thumbnails in order, a page of them at a time.
"use strict";

const AT_ONCE = 60; // thumbnails that are added as one scrolls down
const form = document.getElementById("controls");
const list = document.getElementById("thumbnails");
const more = document.getElementById("more");
let state, rows, drawn;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Fill a select with [[value, text]]; its label is hidden where there is no choice.
function fill(name, choices, always) {
  const select = form.elements[name];
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  select.value = state[name];
  select.closest("label").hidden = choices.length < 2 && !always;
}

function fillControls() {
  const split = splitOf(state);
  const stages = scoredLayers(split).map((layer) => [layer.key, layer.title]);
  const layers = split.layers.filter((layer) => layer.kind !== "class maps").map((layer) => [layer.key, layer.title]);
  fill("split", REPORT.splits.map((each) => [each.name, `${each.name} (${each.items.length})`]));
  fill("stage", stages);
  fill("with", stages);
  fill("sort", Object.entries(ORDERS).filter(([name]) => stages.length || name === "list" || name === "id"), true);
  fill("class", [["", "all"], ...REPORT.classes.map((name) => [name, name])], true);
  fill("over", [["", stages.length ? "the stage" : "the last label"], ["none", "nothing"], ...layers], true);
  if (form.elements.over.selectedIndex < 0) state.over = form.elements.over.value = "";
  for (const name of ["kind", "find"]) form.elements[name].value = state[name];
  form.elements.alone.checked = Boolean(state.alone);
  form.elements.alone.closest("label").hidden = !state.class || !stages.length;
  for (const note of document.querySelectorAll("[data-choice]")) note.hidden = note.dataset.choice !== split.name;
}

// The layer that lies over the thumbnails, {layer, place}, or null.
function overlay(split) {
  if (state.over === "none") return null;
  const labels = split.layers.filter((layer) => layer.kind !== "class maps" && layer.kind !== "map");
  const key = state.over || state.stage || labels.at(-1)?.key;
  const place = split.layers.findIndex((layer) => layer.key === key);
  return place < 0 ? null : { layer: split.layers[place], place };
}

function picture(source, className) {
  const made = element("img", className);
  made.loading = "lazy";
  made.alt = "";
  made.src = source;
  return made;
}

function thumbnail(split, over, { item, score, gain }) {
  const link = element("a");
  link.href = `images/${split.name}/${item.id}.html${hashOf(state)}`;
  const frame = element("span", "frame");
  const stack = element("span", item.size[0] / item.size[1] > 4 / 3 ? "stack broad" : "stack");
  stack.style.aspectRatio = `${item.size[0]} / ${item.size[1]}`;
  const folder = `files/pictures/${split.name}`;
  stack.append(picture(`${folder}/thumbnail/${item.id}.jpg`));
  const there = over && !item.missing.includes(over.place);
  if (there) stack.append(picture(`${folder}/${over.layer.folder}/${item.id}.png`, `layer ${over.layer.kind}`));
  frame.append(stack);
  if (over && !there) frame.append(element("span", "gone", "no picture"));
  link.append(frame, element("span", "id", item.id));
  if (state.stage) {
    const line = element("span", "score", number(score));
    if (gain !== null && state.with !== state.stage) {
      line.append(" ", element("span", gain > 0 ? "good" : gain < 0 ? "bad" : "muted", signed(gain)));
    }
    link.append(line);
  }
  link.append(element("span", "classes", item.classes.map((cls) => REPORT.classes[cls]).join(", ") || "no class"));
  const entry = element("li");
  entry.dataset.id = item.id;
  entry.append(link);
  return entry;
}

function drawMore() {
  const split = splitOf(state);
  const over = overlay(split);
  list.append(...rows.slice(drawn, drawn + AT_ONCE).map((row) => thumbnail(split, over, row)));
  drawn = Math.min(drawn + AT_ONCE, rows.length);
  more.hidden = drawn >= rows.length;
  more.textContent = `Show more (${rows.length - drawn} left)`;
}

function show() {
  fillControls();
  rows = ordered(state);
  drawn = 0;
  list.replaceChildren();
  drawMore();
  const split = splitOf(state);
  const title = (key) => split.layers.find((layer) => layer.key === key)?.title;
  document.getElementById("count").textContent = `${rows.length} of ${split.items.length} images`;
  let what = "";
  if (state.stage) {
    const score = state.alone && state.class ? `IoU of ${state.class}` : "mIoU of each image";
    what = `${score} in percent, ${title(state.stage)}`;
    if (state.with !== state.stage) what += `, and its gain over ${title(state.with)}`;
  }
  document.getElementById("what").textContent = what;
}

function change() {
  for (const name of ["split", "stage", "with", "sort", "class", "kind", "find", "over"]) {
    state[name] = form.elements[name].value;
  }
  state.alone = form.elements.alone.checked ? "1" : "";
  complete(state);
  keepState(state);
  show();
}

function start() {
  if (!REPORT.splits.length) return;
  form.hidden = false;
  state = readState();
  show();
}

form.addEventListener("input", change);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  history.replaceState(null, "", "#");
  start();
});
more.addEventListener("click", () => {
  const next = drawn;
  drawMore();
  list.children[next]?.querySelector("a").focus(); // the button may be gone
});
window.addEventListener("hashchange", start);
const observer = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting) || more.hidden) return;
  drawMore();
  observer.unobserve(more); // or it would say nothing if the button is still in sight
  observer.observe(more);
}, { rootMargin: "600px" });
observer.observe(more);
start();
