"""How many students one server carries: measures classes and fills in docs/teaching/README.md, `make server`.

A class is held to two cores. Measured are its memory (proportional: a page that many share counts once), how
long Run All takes if all press it at once, and how long a slider waits while all others train; a class that
would pass the memory is ended. What is finished is kept in build/served.json, and a run goes on from there:
    python tests/tools/served.py [--anew] [STUDENTS …]        Linux only. Lesson: ewc.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict

from lessons import ROOT
from served_words import MACHINE, PAGE, SYSTEM, Class, alike, filled, fit, limited, part
from students import TRAINS, cells, classroom, memory, moved, ran, run_all, sat_down, slider

KEPT = ROOT / "build/served.json"
CORES = 2  # of the class, whatever the machine has
SIZES = 1, 4, 8  # and then as many as should fit by these
COMPARED = 4  # students with whom one thread each is compared with as many as there are cores
MOVES = 24


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


def measured(size, threads):
    """Open a class, measure it, end it: a `Class`, or None where it does not fit."""
    with classroom(size, threads) as seats:
        try:
            return asyncio.run(lived(seats, threads))
        except Full as error:
            print(f"{size} students: ended, they passed the memory: {error}", flush=True)
            return None


def kept():
    """Every `Class` that was measured so far."""
    return [Class(**one) for one in json.loads(KEPT.read_text())] if KEPT.exists() else []


def here(size, threads=1):
    """Whether a class fits; it is measured and kept unless it was before."""
    if any((one.students, one.threads) == (size, threads) for one in kept()):
        return True
    one = measured(size, threads)
    if one:
        KEPT.write_text(json.dumps([asdict(each) for each in [*kept(), one]], indent=1))
        print(f"{size} students, {threads} threads each: {max(one.seconds):.0f} s", flush=True)
    return one is not None


def on_two_cores():
    """Hold this process, and all that it starts, to `CORES`; SIGTERM ends it as Ctrl-C does, and them too."""
    if not hasattr(os, "sched_setaffinity"):
        sys.exit(f"expected Linux, whose /proc and cores are used here; this is {sys.platform}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, metavar="STUDENTS", help="only so many at once")
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    options = parser.parse_args()
    on_two_cores()
    KEPT.parent.mkdir(exist_ok=True)
    if options.anew:
        KEPT.unlink(missing_ok=True)
    for size in options.sizes or SIZES:
        here(size)
        if size == COMPARED:  # at once, so that both find the machine alike
            here(size, CORES)
    if not options.sizes:
        size = fit(alike(kept()))
        while not here(size):
            size -= 1
    page = limited(PAGE.read_text("utf-8"), fit(alike(kept())) - 1)  # less one: what the hub adds to each
    PAGE.write_text(filled(page, part(kept())), encoding="utf-8")
    print(part(kept()))


if __name__ == "__main__":
    main()
