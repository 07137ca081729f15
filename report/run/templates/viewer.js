// The page of an image: which layer is laid over the photograph, how opaque it is, and the way to the other images.
"use strict";

const viewer = document.getElementById("viewer");
const overlay = document.getElementById("overlay");
const slider = document.getElementById("opacity");
const toggle = document.getElementById("toggle");
const radios = [...viewer.querySelectorAll("input[name=view]")];
const links = Object.fromEntries(["previous", "next", "gallery"].map((name) => [name, document.getElementById(name)]));
const state = complete({ ...readState(), split: viewer.dataset.split });

// Links to the other images, in the gallery's order; for an image that the gallery leaves out, in the list's.
function link() {
  const find = (rows) => [rows, rows.findIndex(({ item }) => item.id === viewer.dataset.id)];
  let [rows, place] = find(ordered(state));
  if (place < 0) [rows, place] = find(splitOf(state).items.map((item) => ({ item })));
  const next = (step) => `${rows.at((place + step) % rows.length).item.id}.html${hashOf(state)}`;
  links.previous.href = next(-1);
  links.next.href = next(1);
  links.gallery.href = links.gallery.getAttribute("href").split("#")[0] + hashOf(state);
  document.getElementById("place").textContent = `${place + 1} of ${rows.length}`;
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
  keepState(state);
  link();
}

function setOverlay(on) {
  toggle.setAttribute("aria-pressed", on);
  overlay.hidden = !on;
}

function setOpacity() {
  document.getElementById("percent").textContent = `${slider.value} %`;
  document.body.style.setProperty("--opacity", slider.value / 100);
}

// The radio button of a view; where the image lacks that class, one of another class of the same maps.
function radioOf(view) {
  const layer = (value) => value.replace(/:\d+$/, "");
  return radios.find((radio) => radio.value === view) || radios.find((radio) => layer(radio.value) === layer(view));
}

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target === slider && event.key.startsWith("Arrow")) return;
  if (event.key === "ArrowLeft") links.previous.click();
  else if (event.key === "ArrowRight") links.next.click();
  else if (event.key === "g") links.gallery.click();
  else if (event.key === "o" && radios.length) setOverlay(overlay.hidden);
  else if (/^[1-9]$/.test(event.key) && radios[event.key - 1]) chooseByHand(radios[event.key - 1]);
  else return;
  event.preventDefault();
}

if (radios.length) {
  const radio = radioOf(state.view || "") || radioOf(state.over || (location.hash.length > 1 ? state.stage : ""));
  if (radio) choose(radio);
  setOpacity();
  radios.forEach((each) => each.addEventListener("change", () => chooseByHand(each)));
  slider.addEventListener("input", setOpacity);
  toggle.addEventListener("click", () => setOverlay(overlay.hidden));
}
document.addEventListener("keydown", pressed);
link();
