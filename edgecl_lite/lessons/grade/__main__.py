"""python -m edgecl_lite.lessons.grade FOLDER: the table, printed; FOLDER.csv and FOLDER.png.

Lesson: ewc.
"""

import argparse
import os
import sys
from pathlib import Path

from ...plots.house import sayable
from .apart import Limits
from .book import grade

GUARD = "It guards against accidents, not attacks: run it where nothing is that must stay secret."


def options(words):
    """What the command line says."""
    parser = argparse.ArgumentParser("python -m edgecl_lite.lessons.grade", epilog=GUARD)
    parser.add_argument("folder", help="a notebook or a folder in it is a student's")
    parser.add_argument("--lesson", help="the notebook that was handed out: its exercises count")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each exercise (60)")
    parser.add_argument("--megabytes", type=float, default=2000.0, help="resident (2000; Linux)")
    parser.add_argument("--seed", type=int, help="of the inputs for marks (drawn anew)")
    parser.add_argument("--jobs", type=int, default=2, help="students at once (2)")
    return parser.parse_args(words)


def told(book):
    """The table in words, and on what its marks rest."""
    lines = [book.table().to_string(index=False, max_colwidth=60), "", f"--seed {book.seed}"]
    if alone := book.by_check_alone():
        what = "Answers that are no functions: `check` alone says so, and they can be copied"
        lines.append(f"{what}: {', '.join(alone)}.")
    return "\n".join(lines)


def picture(book, path):
    """Write the heat map to a file; returns its sentence."""
    from ...plots import figure, marks, png

    words = [[row.marks[name].words for name in book.exercises] for row in book.rows]
    status = [[row.marks[name].status for name in book.exercises] for row in book.rows]
    size = 3.0 + 1.9 * len(book.exercises), 1.4 + 0.26 * len(book.rows)
    fig, ax = figure(width=size[0], height=size[1])
    sentence = marks(status, ax, book.labels(), book.exercises, words)
    path.write_bytes(png(fig))
    return sentence


def written(book, folder):
    """Write table and map beside the folder; returns what the map shows, and where they are."""
    beside = Path(os.path.abspath(folder))  # a folder may be given as ..
    table, map_ = beside.with_name(f"{beside.name}.csv"), beside.with_name(f"{beside.name}.png")
    table.write_bytes(book.csv())
    if not book.exercises:
        return f"Written: {table}"
    return f"{picture(book, map_)}\nWritten: {table} and {map_.name}"


def main(words=None):
    said = options(words)
    try:
        limits = Limits(said.seconds, said.megabytes)
        book = grade(said.folder, said.lesson, limits, said.seed, said.jobs)
    except (OSError, ValueError, RuntimeError) as problem:
        sys.exit(str(problem))
    print(sayable(told(book)))
    try:
        print(sayable(written(book, said.folder)))
    except OSError as problem:
        way = "Close it where it is open, or move the folder to where you may write"
        sys.exit(f"{problem}: the table above could not be written. {way}; then grade again")


if __name__ == "__main__":
    main()
