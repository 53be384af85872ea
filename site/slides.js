// Begins the slides, shrinks what is too tall for one, and keeps the deck's keys where a panel has the focus.
"use strict";

// First figures give way, down to a height at which they can be read, then all becomes smaller until the slide
// holds it; measured when it is shown, for a hidden slide has no height.
function fit({ currentSlide }) {
  const body = currentSlide.querySelector(".body"), over = () => currentSlide.scrollHeight - Reveal.getConfig().height;
  body.querySelectorAll(".figure").forEach((figure) => {
    if (over() > 0) figure.style.maxHeight = `${Math.max(360, figure.clientHeight - over())}px`;
  });
  for (let zoom = 1; over() > 0 && zoom > 0.6; zoom -= 0.04) body.style.zoom = zoom - 0.04;
}

// Panels of other slides are out of the keys' reach, or Tab would move what nobody sees.
function shown(event) {
  document.querySelectorAll(".twin").forEach((twin) => (twin.inert = !event.currentSlide.contains(twin)));
  fit(event);
}

Reveal.on("ready", shown);
Reveal.on("slidechanged", shown);
Reveal.on("pdf-ready", () => document.querySelectorAll(".pdf-page section").forEach((currentSlide) => fit({ currentSlide })));
Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.03,
  center: false,
  hash: true,
  pdfSeparateFragments: false, // on paper nothing can wait,
  pdfMaxPagesPerSlide: 1, // and what is too tall is made to fit, as on the screen
  slideNumber: "c/t",
  transition: "none",
  backgroundTransition: "none",
  plugins: [RevealNotes],
});

// A mouse that lets go of a slider gives the keys back to the deck; so do Space, Escape and a presenter's keys.
const LEAVE = [" ", "Escape", "PageUp", "PageDown"];
document.querySelectorAll(".twin").forEach((twin) => {
  const free = () => document.activeElement?.closest?.(".twin") && document.activeElement.blur();
  twin.addEventListener("pointerup", () => setTimeout(free));
  twin.addEventListener("keydown", (event) => {
    if (!LEAVE.includes(event.key) || (event.key === " " && event.target.type !== "range")) return;
    free();
    if (event.key === "Escape") event.stopPropagation(); // or it would open the overview, too
  }, true);
});
