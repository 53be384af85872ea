"""Make a notebook ready (`setup`), say in plain words what an installation lacks (`diagnose`).

Lesson: start_here.
"""

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version

NEEDED = {  # as pyproject.toml has it: no version that Colab has not reached
    "torch": "2.11",
    "numpy": "2.1",
    "matplotlib": "3.10",
    "ipywidgets": "7.7.1",
    "pandas": "2.2",
    "pillow": "11.3",
    "pooch": "1.9",
    "safetensors": "0.8",
    "tqdm": "4.67",
}
HELP = "run `pip install -r requirements.txt` in the folder of the course, then restart the kernel"


def setup():
    """One torch thread (at these sizes two can be ten times slower), and the figures' style."""
    import torch

    torch.set_num_threads(1)
    if importlib.util.find_spec("matplotlib"):
        from ..plots import style

        style()


def diagnose(installed=None, python=None):
    """What is wrong here: sentences that say how to mend it, an empty list where all is well.

    installed {package: version or None}, python (major, minor): found out if not given.
    """
    installed = {name: _version(name) for name in NEEDED} if installed is None else installed
    python = sys.version_info[:2] if python is None else python
    wrong = []
    if python < (3, 11):
        this = f"This is Python {python[0]}.{python[1]}"
        wrong.append(f"{this}; the course needs 3.11 or newer: install that first.")
    for name, least in NEEDED.items():
        have = installed.get(name)
        if have is None:
            wrong.append(f"{name} is missing: {HELP}.")
        elif _numbers(have) < _numbers(least):
            wrong.append(f"{name} is {have}; the course needs {least} or newer: {HELP}.")
    return wrong


def memory_note(memory=None):
    """What to do where little memory is free just now, "" otherwise: a note, nothing is wrong here.

    memory: free bytes, found out if not given.
    """
    memory = _free_memory() if memory is None else memory
    if memory is None or memory >= 600e6:
        return ""
    return (
        f" But only {memory / 1e6:.0f} MB of memory are free just now; a lesson may take 600 MB: "
        "shut down other notebooks (menu Kernel, Shut Down All Kernels)."
    )


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text):
    return tuple(int(part) for part in text.split("+")[0].split(".")[:3] if part.isdigit())


def _free_memory():
    try:
        with open("/proc/meminfo") as lines:
            free = next(line for line in lines if line.startswith("MemAvailable"))
        return int(free.split()[1]) * 1024
    except (OSError, StopIteration):  # not told on Windows and macOS
        return None
