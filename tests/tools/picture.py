"""The moving picture of the README: EWC's λ turned from 0 to 1000, and what is forgotten there.

    python tests/tools/picture.py: trains the lesson's sweep with more values, three seeds each, and writes
    docs/lambda.gif; docs/lambda.png, its frame at the top of the hill, for whoever wants nothing to move;
    and the alternative text of both into README.md, computed from the same numbers

What is drawn is what `explore` shows, by the same plots, a frame for each value. Lesson: ewc.
"""

import io
import re
import sys

import numpy as np
from lessons import ROOT
from PIL import Image

import edgecl_lite as cl
from edgecl_lite import plots

LAMS = [0, 0.3, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000]
STEP, REST = 600, 2800  # milliseconds of a frame; of the first, the highest and the last
MOST = 1_000_000  # bytes
README, MOVING, STILL = ROOT / "README.md", ROOT / "docs/lambda.gif", ROOT / "docs/lambda.png"


def trained(lams=LAMS, seeds=3, every=44, **options):
    """The lesson's sweep: five angles of the digits, one after the other."""
    camera = cl.rotated(cl.digits())
    return cl.sweep(cl.EWC(cl.mlp(camera)), camera, seeds=seeds, lam=lams, every=every, **options)


def slider(ax, index, lams):
    """A track with a place for each value, the thumb at one of them."""
    ends = len(lams) - 1
    ax.plot([0, ends], [0, 0], color="#C8C8C8", lw=4, solid_capstyle="round")
    ax.plot([0, index], [0, 0], color=plots.COLOURS[0], lw=4, solid_capstyle="round")
    ax.plot([index], [0], "o", color=plots.COLOURS[0], markersize=15)
    for at, value in ((-0.4, f"λ = {plots.number(lams[0])}"), (ends + 0.4, plots.number(lams[-1]))):
        ax.text(at, 0, value, ha="right" if at < 0 else "left", va="center", fontsize=12)
    ax.set(xlim=(-2, ends + 2), ylim=(-1, 1))
    ax.axis("off")


@plots.styled()
def frame(run, index):
    """An RGB picture: the slider, the whole range with the thumb's place, the forgetting curves there."""
    lams, values = run.grid["lam"], plots.along(run)  # (λ, seeds)
    fig = plots.canvas(9.5, 4.3)
    grid = fig.add_gridspec(2, 2, height_ratios=(1, 7), width_ratios=(1, 1.25))
    slider(fig.add_subplot(grid[0, :]), index, lams)
    left, right = (fig.add_subplot(grid[1, side]) for side in (0, 1))
    plots.sweep_curve(run, left)
    left.axvline(lams[index], color=plots.INK, lw=1.4, alpha=0.55)
    left.plot([lams[index]], [values[index].mean()], "o", color=plots.INK, markersize=9)
    left.tick_params(axis="x", labelsize=8.5)
    told = f"λ = {plots.number(lams[index])}: {plots.told(values[index])} over all angles"
    left.set_title(told, fontsize=12, fontweight="bold", pad=14)
    plots.curves(run, right, index)
    fig.canvas.draw()
    return Image.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("RGB")


def highest(run):
    """The index of the value with the highest mean accuracy over the seeds."""
    return int(plots.along(run).mean(1).argmax())


def in_one_palette(frames):
    """The frames in 128 colours, the same in all, so that a GIF stores only what moves; paper is white."""
    wide, high = frames[0].size
    strip = Image.new("RGB", (wide, high * len(frames)))
    for place, image in enumerate(frames):
        strip.paste(image, (0, high * place))
    strip = strip.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours, paper = strip.getpalette(), 3 * strip.getpixel((0, 0))
    colours[paper : paper + 3] = 255, 255, 255
    strip.putpalette(colours)
    return [strip.crop((0, high * place, wide, high * (place + 1))) for place in range(len(frames))]


def gif(images, rests):
    """The bytes of a GIF that begins anew when it has ended; it rests at the images `rests`."""
    times, file = [REST if i in rests else STEP for i in range(len(images))], io.BytesIO()
    options = dict(save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)
    images[0].save(file, "GIF", **options)
    return file.getvalue()


def alternative(run):
    """What the picture shows, in words."""
    lams, R, values = run.grid["lam"], np.asarray(run.accuracy), plots.along(run)
    first = [plots.percent(R[0, :, after, 0].mean()) for after in (0, -1)]
    top = highest(run)
    said = [f"{plots.told(values[i], 0)} at λ = {plots.number(lams[i])}" for i in (0, top, -1)]
    return (
        f"A slider turns λ, the strength of elastic weight consolidation, from {plots.number(lams[0])} to "
        f"{plots.number(lams[-1])}; the forgetting curves of {len(run.names)} tasks follow. At "
        f"λ = {plots.number(lams[0])} the accuracy on the first task falls from {first[0]} to {first[1]}. "
        f"Averaged over all tasks it ends at {said[0]}, at {said[1]}, the highest, and at {said[2]}."
    )


def main():
    run = trained()
    images = in_one_palette([frame(run, index) for index in range(len(run.grid["lam"]))])
    moving = gif(images, {0, highest(run), len(images) - 1})
    if len(moving) > MOST:
        sys.exit(f"{MOVING.name}: {len(moving):,} bytes, at most {MOST:,}: take fewer values")
    MOVING.write_bytes(moving)
    images[highest(run)].save(STILL, "PNG", optimize=True)
    text = README.read_text(encoding="utf-8")
    told = re.sub(r'(docs/lambda\.gif"[^>]* alt=")[^"]*', rf"\g<1>{alternative(run)}", text)
    README.write_text(told, encoding="utf-8")
    print(f"{MOVING.name}: {len(images)} frames, {len(moving):,} bytes\n{alternative(run)}")


if __name__ == "__main__":
    main()
