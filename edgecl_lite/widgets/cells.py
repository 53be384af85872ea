"""Panels end when the cell that made them runs again: trainings stop, widgets and pictures go.

A front end says which cell it runs (`cellId` in the metadata of its request: JupyterLab, Notebook
7, VS Code); where none is said, the text of the cell stands for it. A cell may make several panels;
all live until it runs again. Scripts and terminals have no cells: nothing ends there by itself.
"""

import gc
import sys
import weakref

made = {}  # cell -> (request that ran it, its panels as weak references)
listening = weakref.WeakSet()  # shells that tell when a cell begins


def enter(panel):
    """Note which cell makes this panel."""
    cell, request, shell = _running()
    if cell is None:
        return
    if shell not in listening:
        shell.events.register("pre_run_cell", end_old)
        listening.add(shell)
    end_old()
    made.setdefault(cell, (request, []))[1].append(weakref.ref(panel))


def end_old(_=None):
    """A cell begins: end the panels that an earlier run of it made."""
    cell, request, shell = _running()
    if cell not in made or made[cell][0] == request:
        return
    for panel in filter(None, (panel() for panel in made.pop(cell)[1])):
        panel.close()
        _forget(shell, panel)
    gc.collect()  # widgets and their callbacks hold each other


def _running():
    """(cell, request, shell) of the cell that runs now, None for all of them outside of one."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not getattr(shell, "kernel", None):
        return None, None, None
    parent = shell.get_parent() or {}
    if parent.get("header", {}).get("msg_type") != "execute_request":  # such as a click on a widget
        return None, None, None
    cell = (parent.get("metadata") or {}).get("cellId") or parent["content"]["code"]
    return cell, parent["header"]["msg_id"], shell


def _forget(shell, panel):
    """IPython keeps the value of every cell, as Out[n] and as _n."""
    out = shell.user_ns.get("_oh", {})
    for n in [n for n, value in out.items() if value is panel]:
        del out[n]
        shell.del_var(f"_{n}", by_name=True)
