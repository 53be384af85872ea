// Sliders without a kernel: each looks up its finished states. Nothing is computed, nothing is sent.
// What a state is: edgecl_lite/widgets/states.py; what stands in the page: twins.py.
"use strict";

// Thousandths of the axes -> units of a drawing; the same numbers as in drawing.py.
const X = (x) => (46 + 0.3 * x).toFixed(1), Y = (y) => (226 - 0.2 * y).toFixed(1);
const path = (points) => (points.length ? "M" + points.map(([x, y]) => `${X(x)} ${Y(y)}`).join("L") : "");

// Forgetting curves: dotted before a task is learned, then bold with a band and markers.
function drawCurves(svg, { x, curves }, { mean, sd }) {
  svg.querySelectorAll(".curve").forEach((curve, on) => {
    const { first, ends } = curves[on];
    const known = x.map((_, i) => i).filter((i) => mean[on][i] !== null);
    const at = (side) => (i) => [x[i], mean[on][i] + side * sd[on][i]];
    const after = known.filter((i) => i >= first), back = [...after].reverse();
    const lines = [
      [...after.map(at(-1)), ...back.map(at(1))],
      known.filter((i) => i <= first).map(at(0)),
      after.map(at(0)),
      ends.filter((i) => known.includes(i)).map(at(0)),
    ];
    lines.forEach((line, k) => curve.children[k]?.setAttribute("d", path(line)));
  });
}

// The thumb: a line at its place, and a dot where there is a result.
function drawThumb(thumb, [x, y]) {
  thumb.setAttribute("transform", `translate(${X(x)} 0)`);
  const dot = thumb.querySelector("circle");
  if (dot) dot.setAttribute("cy", y === null ? -99 : Y(y));
}

function drawBar(bar, widths) {
  bar.querySelectorAll("i").forEach((part, k) => (part.style.width = `${widths[k] / 10}%`));
}

function begin(twin) {
  const data = JSON.parse(twin.querySelector("script").textContent);
  const all = (what) => [...twin.querySelectorAll(what)];
  const controls = all(".twin-control"), picture = twin.querySelector("img");
  const button = twin.querySelector("button");
  const inputOf = (control) => control.querySelector("input:checked") ?? control.querySelector("input");
  const file = (state) => data.files[data.pictures[state]];

  function say(where, texts, now) {
    where.forEach((element, k) => {
      const text = now(texts[k]).map((i) => texts[k].phrases[i]).join("");
      if (element.textContent !== text) element.textContent = text; // else it would be read out anew
    });
  }

  function show(event) {
    let state = 0;
    const setting = controls.map((control, k) => {
      const { label, words } = data.controls[k], input = inputOf(control), place = Number(input.value);
      state = state * words.length + place;
      if (input.type === "range") {
        input.setAttribute("aria-valuetext", words[place]);
        control.querySelector(".twin-value").textContent = words[place];
      }
      return `${label} = ${words[place]}`;
    });
    const now = ({ of, at }) => of[at[state]], drawn = data.drawn;
    if (!button || event?.type === "submit") say(all("[data-said]"), data.said, now);
    say(all("[data-label]"), data.labels, now);
    if (drawn.sweep) all(".sweep").forEach((g, k) => (g.style.display = k === drawn.sweep.at[state] ? "" : "none"));
    if (drawn.curves) drawCurves(twin.querySelector(".curves"), data.still.curves, now(drawn.curves));
    if (drawn.thumb) drawThumb(twin.querySelector(".thumb"), now(drawn.thumb));
    all(".twin-bar").forEach((bar, k) => drawBar(bar, now(drawn[`bar ${k}`])));
    if (picture) {
      picture.alt = setting.join(", ");
      picture.src = file(state);
      if (event) [state - 1, state + 1].forEach((near) => near in data.pictures && (new Image().src = file(near)));
    }
  }

  const form = twin.querySelector("form");
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => (event.preventDefault(), show(event)));
  show();
}

document.querySelectorAll(".twin").forEach(begin);
