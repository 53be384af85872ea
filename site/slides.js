// Begins the slides, shrinks what is too tall for one, and keeps the deck's keys where a panel has the focus.
"use strict";

// Smaller and smaller until the slide holds it; measured when it is shown, for a hidden slide has no height.
function fit({ currentSlide }) {
  const body = currentSlide.querySelector(".body"), { height } = Reveal.getConfig();
  for (let zoom = 1; currentSlide.scrollHeight > height && zoom > 0.6; zoom -= 0.04) body.style.zoom = zoom - 0.04;
}

Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.03,
  center: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  backgroundTransition: "none",
  plugins: [RevealNotes],
});

// A mouse that lets go of a slider gives the keys back to the deck; so do a presenter's keys, at once.
document.querySelectorAll(".twin").forEach((twin) => {
  const free = () => document.activeElement?.closest?.(".twin") && document.activeElement.blur();
  twin.addEventListener("pointerup", () => setTimeout(free));
  twin.addEventListener("keydown", ({ key }) => ["PageUp", "PageDown", "Escape"].includes(key) && free(), true);
});
