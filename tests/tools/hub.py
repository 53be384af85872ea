"""The guide's settings in a real JupyterHub:  python tests/tools/hub.py   (`make hub` has it installed)

Starts a hub with the settings of docs/teaching/README.md, which must load, and students as plain processes;
looks whether the settings reached them, and how long the lesson takes them, all at once; the same without a
hub, in the same run. What the hub adds goes into the guide. A setting without effect ends it with an error;
but that spawner keeps no limits of memory and cores, which only have to load. Lesson: ewc.
"""

import asyncio
import re
from importlib.metadata import version

import psutil
from hub_started import STUDENTS, hub, let_in, until
from served import on_two_cores
from served_words import END, PAGE, filled
from students import classroom, family, memory, run_all, sat_down
from traitlets.config import Config

START = "<!-- measured by make hub -->"
SOONER = {"cull_idle_timeout=3600": "cull_idle_timeout=5", "cull_interval=300": "cull_interval=5"}
SOONER |= {"--timeout=3600": "--timeout=60"}  # for a trial of just that: nobody waits an hour for it


def settings():
    """What the guide says for jupyterhub_config.py."""
    section = PAGE.read_text("utf-8").partition("\n## A class on one server")[2]
    return re.search(r"```python\n(.*?)```", section, re.S).group(1)


async def both(seats):
    """(bytes with kernels started, seconds of Run All) of students at once."""
    lines = await asyncio.gather(*map(sat_down, seats))
    await asyncio.sleep(2)
    idle = memory([seat.pid for seat in seats])[0]
    return idle, max(await asyncio.gather(*map(run_all, lines)))


def wanted(text):
    """(environment, arguments) that a student's server must have by these settings."""
    c = Config()
    exec(text, {"c": c})
    own = c.Spawner
    limit = int(own.mem_limit.removesuffix("G")) * 2**30
    told = {
        "JUPYTERHUB_DEFAULT_URL": own.default_url,
        "CPU_LIMIT": str(own.cpu_limit),
        "MEM_LIMIT": str(limit),
    }
    return own.environment | told, own.args


def unheeded(server, environment, arguments):
    """What of the settings did not reach a student: names, none where all is there."""
    command, kernel = psutil.Process(server).cmdline(), family(server)[-1]
    found = psutil.Process(server).environ() | kernel.environ()
    lacks = [name for name, value in environment.items() if found.get(name) != value]
    return lacks + [argument for argument in arguments if argument not in command]


async def tried(own, text):
    """Two students in a hub: (bytes of the hub itself, bytes with kernels started, seconds of Run All)."""
    await until(own, "api/", bool)
    await asyncio.sleep(5)  # its culler starts
    alone = memory([own.pid])[0]
    seats = [await let_in(own, name) for name in STUDENTS]
    idle, seconds = await both(seats)
    if lacks := unheeded(seats[0].pid, *wanted(text)):
        raise RuntimeError(f"expected the guide's settings to reach a student; these do not: {lacks}")
    return alone, idle, seconds


async def forgotten(own):
    """Whether an idle kernel ends although its page is open, and then its server: TimeoutError if not."""
    await until(own, "api/", bool)
    seat = await let_in(own, STUDENTS[0])
    line = await sat_down(seat)
    await until(seat, "api/kernels", lambda kernels: not kernels)
    line.close()
    await until(own, f"api/users/{STUDENTS[0]}", lambda user: not user["servers"])


def main():
    on_two_cores()
    text = settings()
    with classroom(len(STUDENTS), 1) as seats:
        idle, seconds = asyncio.run(both(seats))
    with hub(text) as own:
        alone, idle_there, seconds_there = asyncio.run(tried(own, text))
    for slow, quick in SOONER.items():
        text = text.replace(slow, quick)
    with hub(text) as own:
        asyncio.run(forgotten(own))
    more = (idle_there - idle) / len(STUDENTS) / 1e6
    told = (
        f"Tried with JupyterHub `{version('jupyterhub')}`: hub, proxy and culler take {alone / 1e6:.0f} MB "
        f"together, a student {more:.0f} MB more than without a hub, and Run All "
        f"{seconds_there / seconds:.2f} times as long."
    )
    page = filled(PAGE.read_text("utf-8"), "\n".join([START, told, END]), START)
    PAGE.write_text(page, encoding="utf-8")
    print(told)


if __name__ == "__main__":
    main()
