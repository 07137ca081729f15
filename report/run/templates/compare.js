// The slider lays labels over the photographs: 0 shows the photographs alone, 1 the labels' colours alone.
"use strict";
(function () {
  const slider = document.getElementById("opacity");
  if (!slider) return;
  const show = () => document.documentElement.style.setProperty("--opacity", slider.value);
  slider.addEventListener("input", show);
  show();
})();
