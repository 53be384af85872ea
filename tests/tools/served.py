"""How many students one server carries: measures classes, and fills in docs/teaching/README.md, `make server`.

Each class is held to two cores. Measured are its memory (proportional: a page that many share counts once), how
long Run All takes if all press it at once, and how long a slider waits while all others train. A class that
would pass the memory is ended. Every finished class is kept in build/served.json, and a run goes on from there:
    python tests/tools/served.py [--anew] [STUDENTS …]        Linux only. Lesson: ewc.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where labserver is, as for pytest

from guide import END, GUIDE
from lessons import ROOT
from students import TRAINS, cells, classroom, memory, moved, ran, run_all, sat_down, slider

START = "<!-- measured by make server -->"
KEPT = ROOT / "build/served.json"
PAGE = GUIDE / "README.md"
CORES, MACHINE, SYSTEM = 2, 8e9, 1e9  # what a class gets; of the bytes, what system and hub need
SIZES = 1, 2, 4, 8, 12
COMPARED = 4  # students with whom one thread each is compared with as many as there are cores
MOVES = 24


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


class Full(Exception):
    """The class would pass the memory of the machine."""


async def watched(pids, peaks):
    """Note the memory of processes every second in `peaks`; `Full` when they pass what there is."""
    while True:
        peaks.append(memory(pids))
        if peaks[-1][0] > MACHINE - SYSTEM:
            raise Full(f"{peaks[-1][0] / 1e9:.1f} GB")
        await asyncio.sleep(1)


async def beside(watch, work):
    """Wait for `work`, and end with `watch` if that ends first."""
    task = asyncio.ensure_future(work)
    await asyncio.wait([watch, task], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await watch
    return await task


async def for_ever(line):
    """Train, again and again."""
    while True:
        await ran(line, cells()[TRAINS])


async def slid(lines):
    """The first student moves a slider, the others train; seconds of each move."""
    name = await slider(lines[0])
    others = [asyncio.ensure_future(for_ever(line)) for line in lines[1:]]
    await asyncio.sleep(1)
    waits = []
    for step in range(MOVES):
        waits.append(await moved(lines[0], name, (step + 1) % 8))
        await asyncio.sleep(0.25)
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return waits


async def lived(seats, threads):
    """A class from the first page to the last move: a `Class`."""
    pids, peaks = [seat.pid for seat in seats], []
    lines = await asyncio.gather(*map(sat_down, seats))
    await asyncio.sleep(2)
    idle = memory(pids)[0]
    watch = asyncio.ensure_future(watched(pids, peaks))
    try:
        seconds = await beside(watch, asyncio.gather(*map(run_all, lines)))
        moves = await beside(watch, slid(lines))
    finally:
        watch.cancel()
    full, resident = max(peaks)
    return Class(len(seats), threads, idle, full, resident, seconds, moves)


def per_student(classes):
    """Bytes that one more student takes at the peak, by the smallest and the largest class."""
    least, most = classes[0], classes[-1]
    return (most.full - least.full) / (most.students - least.students)


def fit(classes, room=MACHINE - SYSTEM):
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
        f"{MACHINE / 1e9:.0f} hold **{fit(classes)} students** who have run the lesson, {SYSTEM / 1e9:.0f} GB "
        f"left to the system and the hub. (Counted as `top` does, shared pages anew for each, it would be "
        f"{most.resident / most.students / 1e6:.0f} MB a student.) When all press Run All at once, each student "
        f"adds {share:.2f} of the time that one alone takes."
    ]
    if free:
        one = next(each for each in classes if each.students == free.students)
        ratio = max(free.seconds) / max(one.seconds)
        told += [
            f"With `OMP_NUM_THREADS={free.threads}` instead of 1, {free.students} students at once took "
            f"{ratio:.2f} times as long ({max(free.seconds):.0f} s against {max(one.seconds):.0f} s)."
        ]
    return " ".join(told)


def part(kept):
    """The generated part of the page, marks included; kept: every `Class`."""
    classes = sorted((one for one in kept if one.threads == 1), key=lambda one: one.students)
    free = next((one for one in kept if one.threads > 1), None)
    return "\n".join([START, table(classes), "", sentences(classes, free), END])


def filled(text, new):
    """The text of the page with `new` between its marks."""
    before, mark, after = text.partition(START)
    if not mark or END not in after:
        raise ValueError(f"{PAGE.name}: expected {START} and, after it, {END}; put them where the table goes")
    return before + new + after.partition(END)[2]


def measured(size, threads):
    """Open a class, measure it, end it: a `Class`, or None where it does not fit."""
    with classroom(size, threads) as seats:
        try:
            return asyncio.run(lived(seats, threads))
        except Full as error:
            print(f"{size} students: ended, they passed the memory: {error}", flush=True)
            return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="STUDENTS")
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all that was started ends
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    KEPT.parent.mkdir(exist_ok=True)
    old = json.loads(KEPT.read_text()) if KEPT.exists() and not options.anew else []
    kept = [Class(**one) for one in old]
    for size, threads in [*((size, 1) for size in options.sizes), (COMPARED, CORES)]:
        if not any((one.students, one.threads) == (size, threads) for one in kept):
            if one := measured(size, threads):
                kept.append(one)
                KEPT.write_text(json.dumps([asdict(each) for each in kept], indent=1))
                print(f"{size} students, {threads} threads each: {max(one.seconds):.0f} s", flush=True)
    PAGE.write_text(filled(PAGE.read_text("utf-8"), part(kept)), encoding="utf-8")
    print(part(kept))


if __name__ == "__main__":
    main()
