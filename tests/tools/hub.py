"""The guide's settings in a real JupyterHub:  python tests/tools/hub.py   (`make hub` has it installed)

Starts a hub with the settings of docs/teaching/README.md, which must load, and a student as a plain process;
looks whether the settings reached it, and what it takes beside a student without a hub at the same time; then
whether what does nothing is ended. What the hub adds goes into the guide; a setting without effect is an
error. But such a spawner keeps no limits of memory and cores: those only have to load. Lesson: ewc.
"""

import asyncio
import re
from importlib.metadata import version

import psutil
from hub_started import STUDENT, hub, let_in, until
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


async def tried(outside, own, text):
    """A student in the hub, one outside at the same time: what the hub itself takes and what it adds.

    Returns (bytes of the hub, bytes of its student less those of the other, the ratio of their Run All).
    """
    await until(own, "api/", bool)
    await asyncio.sleep(5)  # its culler starts
    alone = memory([own.pid])[0]
    inside = await let_in(own, STUDENT)
    lines = await asyncio.gather(sat_down(inside), sat_down(outside))
    await asyncio.sleep(2)
    more = memory([inside.pid])[0] - memory([outside.pid])[0]
    there, here = await asyncio.gather(*map(run_all, lines))
    if lacks := unheeded(inside.pid, *wanted(text)):
        raise RuntimeError(f"expected the guide's settings to reach a student; these do not: {lacks}")
    return alone, more, there / here


async def forgotten(own):
    """Whether an idle kernel ends although its page is open, and then its server: TimeoutError if not."""
    await until(own, "api/", bool)
    seat = await let_in(own, STUDENT)
    line = await sat_down(seat)
    await until(seat, "api/kernels", lambda kernels: not kernels)
    line.close()
    await until(own, f"api/users/{STUDENT}", lambda user: not user["servers"])


def main():
    on_two_cores()
    text = settings()
    with classroom(1, 1) as (outside,), hub(text) as own:
        alone, more, ratio = asyncio.run(tried(outside, own, text))
    for slow, quick in SOONER.items():
        text = text.replace(slow, quick)
    with hub(text) as own:
        asyncio.run(forgotten(own))
    told = (
        f"Tried with JupyterHub `{version('jupyterhub')}`: hub, proxy and culler take {alone / 1e6:.0f} MB "
        f"together. Beside a student without a hub, at the same time, a student in it took "
        f"{more / 1e6:.0f} MB more, and {ratio:.2f} times as long for Run All."
    )
    page = filled(PAGE.read_text("utf-8"), "\n".join([START, told, END]), START)
    PAGE.write_text(page, encoding="utf-8")
    print(told)


if __name__ == "__main__":
    main()
