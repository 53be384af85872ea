"""Numbers as drawings: the sweep and the forgetting curves of a twin as SVG, its memory bars as HTML.

Places are thousandths of the axes (edgecl_lite/plots/numbers.py); twin.js draws what moves by the same
numbers. Colours, markers and dotted lines are those of the course; how they look is in twin.css.
"""

from html import escape

LEFT, TOP, WIDE, HIGH = 46, 26, 300, 200  # of the axes, in units of the drawing
SIZE = "0 0 360 264"
KINDS = "band", "thin", "bold", "marks"
FAINT = "none", "none", "bold faint", "none"  # of one among many tasks
SHAPES = {  # of the course's markers, within 4 units of their middle
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
    "s": "M-3.6-3.6h7.2v7.2h-7.2Z",
    "^": "M0-4.4L4.4 3.8H-4.4Z",
    "D": "M0-4.8L4.8 0L0 4.8L-4.8 0Z",
    "v": "M0 4.4L4.4-3.8H-4.4Z",
    "P": "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3Z",
    "X": "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0Z",
    "*": "M0-5L1.3-1.6L4.8-1.5L2 .7L3 4L0 2L-3 4L-2 .7L-4.8-1.5L-1.3-1.6Z",
}


def X(x):
    return f"{LEFT + WIDE * x / 1000:.1f}"


def Y(y):
    return f"{TOP + HIGH - HIGH * y / 1000:.1f}"


def path(points):
    return "M" + "L".join(f"{X(x)} {Y(y)}" for x, y in points) if points else ""


def picture(name, label, inside):
    """An SVG; a screen reader hears the label, and the sentence that stands below."""
    return f'<svg class="{name}" viewBox="{SIZE}" role="img" aria-label="{escape(label)}">{inside}</svg>'


def axes(frame):
    """Axes with their ticks and labels."""
    ticks = [
        f'<path class="grid" d="M{LEFT} {Y(y)}h{WIDE}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{Y(y)}" dy=".35em" text-anchor="end">{escape(word)}</text>'
        for y, word in frame["y"]["ticks"]
    ]
    ticks += [
        f'<text class="tick" x="{X(x)}" y="{TOP + HIGH + 16}" text-anchor="middle">{escape(word)}</text>'
        for x, word in frame["x"]["ticks"]
    ]
    across, up = escape(frame["x"]["label"]), escape(frame["y"]["label"])
    names = f'<text x="{LEFT + WIDE / 2}" y="{TOP + HIGH + 33}" text-anchor="middle">{across}</text>'
    names += f'<text x="2" y="11">{up}</text>'
    return f'{"".join(ticks)}<path class="axis" d="M{LEFT} {TOP}v{HIGH}h{WIDE}"/>{names}'


def sweep(one, seen):
    """A metric along its axis: band, mean, a ring around the best, crosses where something was lost."""
    mean = [point for point in zip(one["x"], one["mean"]) if None not in point]
    low = [point for point in zip(one["x"], one["low"]) if None not in point]
    high = [point for point in zip(one["x"], one["high"]) if None not in point]
    drawn = axes(one["frame"])
    drawn += f'<path class="band" d="{path(low + high[::-1])}"/><path class="bold" d="{path(mean)}"/>'
    drawn += "".join(f'<circle class="point" cx="{X(x)}" cy="{Y(y)}" r="3"/>' for x, y in mean)
    lost = [x for x, y in zip(one["x"], one["mean"]) if y is None]
    drawn += "".join(f'<path class="lost" d="M{X(x)} {Y(40)}m-4-4l8 8m0-8l-8 8"/>' for x in lost)
    if lost:
        drawn += f'<text x="{X(lost[-1])}" y="{Y(80)}" text-anchor="middle">lost</text>'
    best = [(one["x"][i], one["mean"][i]) for i in one["best"]]
    drawn += "".join(f'<circle class="best" cx="{X(x)}" cy="{Y(y)}" r="6.5"/>' for x, y in best)
    if best:
        highest = max(y for _, y in mean) in [y for _, y in best]
        x, y = (max if highest else min)(best, key=lambda point: point[1])
        told, side = escape(one["told"].replace("\n", " ")), "end" if x > 500 else "start"
        drawn += f'<text class="told" x="{X(x)}" y="{Y(y)}" dy="-12" text-anchor="{side}">{told}</text>'
    hidden = "" if seen else ' style="display:none"'
    return f'<g class="sweep"{hidden}>{drawn}</g>'


def thumb(place, dot):
    """A line at the thumb's place, and a dot where there is a result."""
    x, y = place
    circle = f'<circle cx="0" cy="{-99 if y is None else Y(y)}" r="5.5"/>' if dot else ""
    return f'<g class="thumb" transform="translate({X(x)} 0)"><path d="M0 {TOP}v{HIGH}"/>{circle}</g>'


def curves(still, numbers, name, labels=()):
    """(drawing, legend) of forgetting curves; name: of this twin, for its markers; labels: on top."""
    drawn = [axes(still["frame"])]
    drawn += [f'<path class="span" d="M{X(x)} {TOP}v{HIGH}"/>' for x in sorted(set(still["spans"]))[1:-1]]
    for on, (look, mean, sd) in enumerate(zip(still["curves"], numbers["mean"], numbers["sd"])):
        drawn.append(curve(look, lines(still["x"], look, mean, sd), f"{name}-{on}"))
    place = f'x="{LEFT + WIDE / 2}" y="{TOP + HIGH / 2}" text-anchor="middle"'
    drawn += [f"<text data-label {place}>{escape(label)}</text>" for label in labels]
    keys = (key(look) for look in still["curves"] if look["marker"])
    return "".join(drawn), f'<ul class="twin-legend">{"".join(keys)}</ul>'


def curve(look, drawn, mark):
    """Band, dotted line, bold line and markers of one curve; mark: the id of its marker."""
    box = 'viewBox="-6 -6 12 12" markerWidth="12" markerHeight="12" markerUnits="userSpaceOnUse"'
    kinds = KINDS if look["marker"] else FAINT
    paths = [f'<path class="{kind}" d="{path(line)}"/>' for kind, line in zip(kinds, drawn)]
    paths[-1] = paths[-1].replace("<path", f'<path style="marker:url(#{mark})"')
    shape = f'<marker id="{mark}" {box}>{marker(look)}</marker>'
    return f'<g class="curve" style="--c:{look["colour"]}">{"".join(paths)}{shape}</g>'


def marker(look):
    return f'<path class="mark" d="{SHAPES.get(look["marker"], "")}"/>'


def key(look):
    """A line of the legend."""
    line = f'<path class="bold" d="M-14 0H14"/>{marker(look)}'
    drawn = f'<svg viewBox="-14 -6 28 12" aria-hidden="true">{line}</svg>'
    return f'<li style="--c:{look["colour"]}">{drawn}{escape(look["name"])}</li>'


def lines(x, look, mean, sd):
    """Band, before, after and markers of one curve, each a list of places; as drawCurves in twin.js."""
    known = [i for i in range(len(x)) if mean[i] is not None]
    at = lambda side, some: [(x[i], mean[i] + side * sd[i]) for i in some]
    after = [i for i in known if i >= look["first"]]
    ends = [i for i in look["ends"] if i in known]
    before = [i for i in known if i <= look["first"]]
    return at(-1, after) + at(1, after[::-1]), at(0, before), at(0, after), at(0, ends)


def bars(still, widths, labels):
    """Memory bars with their words, and what the parts are called."""
    whole, drawn = f"{still['whole'] / 10}%", []
    for below, bar, label in zip(still["below"], widths, labels):
        parts = [f'<i class="part{k}" style="width:{w / 10}%"></i>' for k, w in enumerate(bar)]
        inside = f'<div aria-hidden="true">{"".join(parts)}<b style="left:{whole}"></b></div>'
        told = f"<p data-label>{escape(label)}</p>{inside}<small>{escape(below)}; the line is 100 %</small>"
        drawn.append(f'<div class="twin-bar" style="--whole:{whole}">{told}</div>')
    names = (f'<li><i class="part{k}"></i>{escape(name)}</li>' for k, name in enumerate(still["parts"]))
    return f'<ul class="twin-legend">{"".join(names)}</ul>{"".join(drawn)}'
