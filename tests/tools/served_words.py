"""What was measured of classes on one server, and the words that follow: for served.py and hub.py.

Memory is proportional (Linux): a page that several processes share counts once among them all. How many fit:

    students of the largest class + (memory left there) / (memory of one more student), rounded down

`part` is what served.py writes into docs/teaching/README.md, between its marks. Lesson: ewc.
"""

import re
import statistics
from dataclasses import dataclass

from guide import END, GUIDE

START = "<!-- measured by make server -->"
PAGE = GUIDE / "README.md"
MACHINE, SYSTEM = 8e9, 1e9  # bytes: all, and what system and hub need of them
SURE = 0.98  # of the rest: one class is never quite as large as the other


@dataclass(frozen=True)
class Class:
    """What was measured of so many students at once; bytes are of all together."""

    students: int
    threads: int  # OMP_NUM_THREADS of each
    idle: int  # proportional bytes, kernels started
    full: int  # … at the peak of Run All
    resident: int  # the same moment as others count it, what is shared counted anew for each
    seconds: list  # of Run All, each student's
    moves: list  # seconds until a slider's move was answered, all others training


def per_student(classes):
    """Bytes that one more student takes at the peak, by the smallest and the largest class."""
    if len(classes) < 2:
        raise ValueError(f"expected classes of two sizes, to tell what one more takes; got {len(classes)}")
    least, most = classes[0], classes[-1]
    return (most.full - least.full) / (most.students - least.students)


def fit(classes, room=SURE * (MACHINE - SYSTEM)):
    """How many students fit into so many bytes: those of the largest class, and more at `per_student`."""
    most = classes[-1]
    return most.students + int((room - most.full) // per_student(classes))


def table(classes):
    """What was measured with one thread each, as Markdown."""
    lines = [
        "| students | memory before Run All | at its peak | all press Run All at once: the last is through "
        "| a slider's answer while all others train |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in classes:
        wait = 1e3 * statistics.median(one.moves)
        memories = f"{one.idle / 1e9:.1f} GB | {one.full / 1e9:.1f} GB"
        lines.append(f"| {one.students} | {memories} | {max(one.seconds):.0f} s | {wait:.0f} ms |")
    return "\n".join(lines)


def sentences(classes, free):
    """What follows from the figures; free: the class of `COMPARED` with as many threads as cores, or None."""
    most, more = classes[-1], per_student(classes)
    share = max(most.seconds) / min(classes[0].seconds) / most.students
    told = [
        f"One more student takes {more / 1e6:.0f} MB, so {(MACHINE - SYSTEM) / 1e9:.0f} GB of the "
        f"{MACHINE / 1e9:.0f} hold **{fit(classes)} students** who have run the lesson, and leave "
        f"{SYSTEM / 1e9:.0f} GB to the system and the hub. (Counted as `top` does, what is shared anew for "
        f"each, it would be {most.resident / most.students / 1e6:.0f} MB a student.) When all press Run All "
        f"at once, each student adds {share:.2f} of the time that one alone takes."
    ]
    one = next((each for each in classes if free and each.students == free.students), None)
    if one:
        ratio = max(free.seconds) / max(one.seconds)
        told += [
            f"With `OMP_NUM_THREADS={free.threads}` instead of 1, {free.students} students at once took "
            f"{ratio:.2f} times as long ({max(free.seconds):.0f} s against {max(one.seconds):.0f} s)."
        ]
    return " ".join(told)


def alike(classes):
    """Those with one thread each, the smallest first."""
    return sorted((one for one in classes if one.threads == 1), key=lambda one: one.students)


def part(classes):
    """The generated part of the page, marks included; classes: every `Class`, in any order."""
    free = next((one for one in classes if one.threads > 1), None)
    rows = alike(classes)
    return "\n".join([START, table(rows), "", sentences(rows, free), END])


def filled(text, new, start=START):
    """The text of the page with `new` in place of what stands from the mark `start` to the next `END`."""
    before, mark, after = text.partition(start)
    if not mark or END not in after:
        raise ValueError(f"{PAGE.name}: expected {start} and, after it, {END}; put them where the text goes")
    return before + new + after.partition(END)[2]


def limited(text, students):
    """The text of the page with so many as the hub's limit of servers."""
    return re.sub(r"(?m)^(c\.JupyterHub\.active_server_limit = )\d+", rf"\g<1>{students}", text)
