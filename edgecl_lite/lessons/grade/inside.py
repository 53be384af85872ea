"""The process of one student: runs the cells of a notebook, puts the probes to what they hand in.

The job comes in on standard input, messages go out on what was standard output; what the cells
print goes to standard error, where it is counted and thrown away. Before the first cell runs, the
model answers are gone from this process; nothing is judged here. Lesson: ewc.
"""

import importlib.abc
import json
import os
import sys
import types

from .. import check
from .anew import CHANGED, asked_anew
from .wire import packed

QUESTIONS = check.__name__.replace(".check", ".questions")
LARGEST_FILE = 100_000_000  # bytes


class Shut(importlib.abc.MetaPathFinder):
    """No import finds the questions any more: their right answers stand beside them."""

    def find_spec(self, name, path=None, target=None):
        if (name + ".").startswith(QUESTIONS + "."):
            raise ImportError("the model answers are shut while a notebook is graded")


class Taken(check.Verdict):
    """The verdict here: it says nothing, and what goes on from it works with the own answer."""

    @property
    def use(self):
        return self.answer


def taken(name, answer=...):
    """What `check` is here."""
    return Taken("not attempted", "The answer is taken.", name=name, answer=answer)


def shut():
    """{name: probe} of all exercises; the rest of them goes, and `check` is silent from here on."""
    check.load()
    probes = {name: task.probe or (lambda answer: answer) for name, task in check.exercises.items()}
    check.exercises.clear()
    for name in [name for name in sys.modules if name.startswith(QUESTIONS)]:
        del sys.modules[name]
    delattr(sys.modules[__package__.rpartition(".")[0]], "questions")
    sys.meta_path.insert(0, Shut())
    check.check = taken
    return probes


def phrase(problem):
    """An exception in one line."""
    if isinstance(problem, SystemExit):
        return "calls exit"
    what = problem.msg if isinstance(problem, SyntaxError) else problem
    words = " ".join(f"{type(problem).__name__}: {what}".split())
    return check.placeless(words)[:100].rstrip(": ")


def probed(probe, answer):
    """What a probe finds: {"got": …}, {"empty": True} or {"error": in one phrase}."""
    try:
        return {"got": packed(probe(answer))}
    except NotImplementedError:
        return {"empty": True}
    except BaseException as problem:
        return {"error": phrase(problem)}


def answered(name, answer, probe, seed):
    """What an answer gives under the probe of `check` and, a function, under that for marks."""
    if check.empty(answer):
        return {"empty": True}
    answer = check.watched(answer)
    found = probed(probe, answer)
    if callable(answer) and name in CHANGED and "got" in found:
        found["anew"] = probed(probe, asked_anew(name, answer, seed))
    return found


def handed_in(one, cells, space, broken, say):
    """The answer of an exercise, after all that it needs has run, or what stopped that."""
    for at in one["run"]:
        if at not in broken:
            say({"begin": one["name"], "cell": at})
            try:
                exec(compile(cells[at], f"cell-{at}", "exec"), space)
                broken[at] = None
            except BaseException as problem:
                broken[at] = problem
        if problem := broken[at]:
            raise problem
    return eval(one["answer"], space)


def work(job, say):
    """One message for each exercise of a job."""
    probes = shut()
    here = sys.modules["__main__"] = types.ModuleType("__main__")
    here.display = lambda *what, **options: None
    broken = {}  # number of a cell that has run: what stopped it, or None
    for one in job["asked"]:
        say({"begin": one["name"]})
        try:
            answer = handed_in(one, job["cells"], here.__dict__, broken, say)
            found = answered(one["name"], answer, probes[one["name"]], job["seed"])
        except NotImplementedError:
            found = {"empty": True}
        except BaseException as problem:
            found = {"error": phrase(problem)}
        say({"name": one["name"], **found})
    say({"end": True})


def limited():
    """Files no larger than `LARGEST_FILE`, no core dumps; where the system knows such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main():
    job = json.loads(sys.stdin.buffer.read())
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limited()

    def say(message):
        print(json.dumps(message), file=out, flush=True)

    work(job, say)


if __name__ == "__main__":
    main()
    os._exit(0)  # whatever the cells left running
