"""ε where only some clients are called in a round, computed once: make epsilon

Needs `dp-accounting` (tests/epsilon.requirements.txt) and nothing of the course; `make epsilon` gives it an
environment of its own. Writes edgecl_lite/lessons/stored/epsilon.json, which a lesson loads with
`edgecl_lite.stored("epsilon")`: tables (fractions, noise, rounds, deltas) of ε, under two readings.

  Poisson              each client is called with this probability, on its own (privacy loss distributions,
                       tight). The reading of most papers. Two fleets differ by one client more or less.
  without replacement  just this share of the clients is called, as `fleet_train` does (Rényi orders, an upper
                       bound: Wang, Balle & Kasiviswanathan 2019, theorem 27). Two fleets are of one size and
                       differ by what one client holds: that moves a sum by 2 clip, so the accountant is told
                       noise / 2.

A bound above that of all clients called gives way to it, as being called less often shows no more. For that
reason `edgecl_lite.epsilon` holds at any fraction, of fleets of one size in which one client has its data
or none: that moves the sum by clip.
At fraction 1 both are R Gaussian rounds: there tests/fleet/test_privacy.py holds `edgecl_lite.epsilon`
against them, and none of the module's own code computes them.
"""

import importlib.util
from importlib.metadata import version
from pathlib import Path

from dp_accounting import (  # fmt: skip
    GaussianDpEvent,
    NeighboringRelation,
    PoissonSampledDpEvent,
    SampledWithoutReplacementDpEvent,
)
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

ROOT = Path(__file__).resolve().parent.parent.parent
PATH = ROOT / "edgecl_lite/lessons/stored/epsilon.json"
FRACTIONS = [0.1, 0.25, 0.5, 1.0]
NOISE = [0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0]
ROUNDS = [1, 10, 20, 50, 100]
DELTAS = [1e-3, 1e-5]


def poisson(fraction, noise, rounds):
    """The accountant of so many rounds in which each client is called with this probability."""
    event = PoissonSampledDpEvent(fraction, GaussianDpEvent(noise))
    return PLDAccountant().compose(event, rounds)


def without_replacement(fraction, noise, rounds):
    """That of rounds in which this share of the clients is called."""
    event = SampledWithoutReplacementDpEvent(100, round(100 * fraction), GaussianDpEvent(noise / 2))
    return RdpAccountant(neighboring_relation=NeighboringRelation.REPLACE_ONE).compose(event, rounds)


def table(accountant):
    """ε (fractions, noise, rounds, deltas), to six digits."""
    found = []
    for fraction in FRACTIONS:
        rows = [[accountant(fraction, noise, rounds) for rounds in ROUNDS] for noise in NOISE]
        found.append([[[short(a.get_epsilon(d)) for d in DELTAS] for a in row] for row in rows])
        print(f"  {accountant.__name__}, fraction {fraction:g}: {found[-1][0][-1]}", flush=True)
    return [smaller(of_fraction, found[-1]) for of_fraction in found]


def smaller(one, other):
    """The smaller of each two values of nested lists."""
    return [smaller(a, b) for a, b in zip(one, other)] if isinstance(one, list) else min(one, other)


def short(value):
    return float(f"{value:.6g}")


def sealed_files():
    """The module's disk.py on its own: to import the package takes torch."""
    spec = importlib.util.spec_from_file_location("disk", ROOT / "edgecl_lite/machine/disk.py")
    disk = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(disk)
    return disk


def main():
    axes = {"fractions": FRACTIONS, "noise": NOISE, "rounds": ROUNDS, "deltas": DELTAS}
    made = {"command": "make epsilon", "dp-accounting": version("dp-accounting")}
    tables = {"Poisson": table(poisson), "without replacement": table(without_replacement)}
    disk = sealed_files()
    disk.write(PATH, disk.to_json({"settings": made, **axes, **tables}).encode())
    print(f"{PATH.relative_to(ROOT)}: {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
