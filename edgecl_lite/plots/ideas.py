"""A map of ideas: boxes, and arrows that say in words how one idea leads to another.

start_here draws the course with it: which lesson answers what another one leaves open.
"""

from .house import INK, listed, styled

BOX = dict(boxstyle="round,pad=0.5", facecolor="#F4F1EA", edgecolor="#8FA8BA")
ARROW = dict(arrowstyle="-|>", color="#8FA8BA", shrinkA=2, shrinkB=2, lw=1.4)
SMALL = dict(fontsize=8, color=INK, ha="center", va="center")
PAPER = dict(boxstyle="square,pad=0.15", facecolor="white", edgecolor="none")


@styled()
def ideas(boxes, arrows, ax):
    """Boxes {name: (x, y)} in 0..1, arrows [(name, name, what leads from one to the other)].

    Returns the sentence of the picture. Raises ValueError where an arrow names no box.
    """
    for one, other, _ in arrows:
        if strange := {one, other} - boxes.keys():
            known = ", ".join(boxes)
            raise ValueError(f"ideas: an arrow names {strange.pop()!r}; the boxes are {known}")
    drawn = {
        name: ax.text(x, y, name, ha="center", va="center", fontsize=9.5, bbox=BOX, zorder=3)
        for name, (x, y) in boxes.items()
    }
    for one, other, words in arrows:
        ends = drawn[one].get_bbox_patch(), drawn[other].get_bbox_patch()
        way = dict(ARROW, patchA=ends[0], patchB=ends[1])
        ax.annotate("", boxes[other], boxes[one], arrowprops=way, zorder=4)
        (x0, y0), (x1, y1) = boxes[one], boxes[other]
        ax.text((x0 + x1) / 2, (y0 + y1) / 2, words, bbox=PAPER, zorder=5, **SMALL)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    flat = lambda text: " ".join(text.split())
    told = [f"{flat(a)} to {flat(b)} ({flat(words)})" for a, b, words in arrows]
    return f"Ideas and what leads from one to the next: {listed(told)}."
