// The page of an image: which layer lies over the photograph and how opaque it is; the way to the other images.
"use strict";

const viewer = document.getElementById("viewer");
const overlay = document.getElementById("overlay");
const slider = document.getElementById("opacity");
const toggle = document.getElementById("toggle");
const radios = [...viewer.querySelectorAll("input[name=view]")];
const links = Object.fromEntries(["previous", "next", "gallery"].map((name) => [name, document.getElementById(name)]));
const state = readState();

// Links to the other images, in the gallery's order; an image that it leaves out has its neighbours in the list.
function link() {
  const split = splitOf(state);
  const find = (rows) => [rows, rows.findIndex(({ item }) => item.id === viewer.dataset.id)];
  let [rows, place] = find(ordered(state));
  if (place < 0) [rows, place] = find(split.items.map((item) => ({ item })));
  const hash = hashOf(state);
  const around = (step) => `${rows.at((place + step) % rows.length).item.id}.html${hash}`;
  links.previous.href = around(-1);
  links.next.href = around(1);
  links.gallery.href = links.gallery.getAttribute("href").split("#")[0] + hash;
  document.getElementById("place").textContent = `${place + 1} of ${rows.length}`;
}

function keep() {
  keepState(state);
  link();
}

// Lay the layer of a radio button over the photograph.
function choose(radio) {
  radio.checked = true;
  overlay.src = radio.dataset.file;
  overlay.alt = radio.closest("label").querySelector(".title").textContent;
  overlay.classList.toggle("map", "map" in radio.dataset);
}

function chooseByHand(radio) {
  choose(radio);
  setOverlay(true);
  state.view = radio.value;
  keep();
}

function setOverlay(on) {
  toggle.setAttribute("aria-pressed", on);
  overlay.hidden = !on;
}

function setOpacity(percent) {
  slider.value = percent;
  document.getElementById("percent").textContent = `${slider.value} %`;
  document.body.style.setProperty("--opacity", slider.value / 100);
}

function setOpacityByHand(percent) {
  setOpacity(percent);
  state.opacity = slider.value;
  keep();
}

// The radio button of a view, of another class of the same maps where the image lacks that class, or none.
function radioOf(view) {
  const layer = (value) => value.replace(/:\d+$/, "");
  return radios.find((radio) => radio.value === view) || radios.find((radio) => layer(radio.value) === layer(view));
}

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const target = event.target;
  if (target === slider && event.key.startsWith("Arrow")) return;
  if (event.key === "ArrowLeft") links.previous.click();
  else if (event.key === "ArrowRight") links.next.click();
  else if (event.key === "g") links.gallery.click();
  else if (!radios.length) return;
  else if (event.key === "o" || event.key === "0") setOverlay(overlay.hidden);
  else if (event.key === "+") setOpacityByHand(Number(slider.value) + 10);
  else if (event.key === "-") setOpacityByHand(Number(slider.value) - 10);
  else if (/^[1-9]$/.test(event.key) && radios[event.key - 1]) chooseByHand(radios[event.key - 1]);
  else return;
  event.preventDefault();
}

state.split = viewer.dataset.split;
complete(state);
if (radios.length) {
  const radio = radioOf(state.view) || radioOf(state.over || (location.hash.length > 1 ? state.stage : ""));
  if (radio) choose(radio);
  setOpacity(/^\d{1,3}$/.test(state.opacity) ? state.opacity : slider.value);
  radios.forEach((each) => each.addEventListener("change", () => chooseByHand(each)));
  slider.addEventListener("input", () => setOpacityByHand(slider.value));
  toggle.addEventListener("click", () => setOverlay(overlay.hidden));
}
document.addEventListener("keydown", pressed);
link();
