// Begins the slides, shrinks what is too tall for one, and keeps the deck's keys where a panel has the focus.
"use strict";

// Smaller type until the slide holds it; as it is at the end of the loop, the tests say whether it does.
function fit(slide) {
  for (let size = 100; slide.scrollHeight > Reveal.getConfig().height && size > 60; size -= 4) {
    slide.style.fontSize = `${size - 4}%`;
  }
}

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
}).then(() => document.querySelectorAll(".slides section:not(.stack)").forEach(fit));

// A mouse that lets go of a slider gives the keys back to the deck; so do a presenter's keys, at once.
document.querySelectorAll(".twin").forEach((twin) => {
  const free = () => document.activeElement?.closest?.(".twin") && document.activeElement.blur();
  twin.addEventListener("pointerup", () => setTimeout(free));
  twin.addEventListener("keydown", ({ key }) => ["PageUp", "PageDown", "Escape"].includes(key) && free(), true);
});
