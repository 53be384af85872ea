"""`live` of a fleet: the common model learns and forgets round by round, sliders say how.

Everything else is `Live`: Train, Stop, a slider over the recorded rounds. Lesson:
federated_learning.
"""

from ..fleet.members import Arrivals, Clients
from ..fleet.plan import FleetPlan
from ..fleet.train import follow
from ..machine.settled import settled
from .live import Live


class LiveFleet(Live):
    """A panel that trains clients before your eyes; the curves are the common model's.

    Options are those of `federate`; what is a list of values becomes a slider for the next
    training: `live(Finetune(net), clients, seeds=3, local_epochs=[1, 5, 20], fraction=[0.2, 1])`.
    """

    unit = label = "round"

    def planned(self, options):
        self.choices = {k: list(v) for k, v in options.items() if isinstance(v, list | tuple)}
        self.options = {k: v for k, v in options.items() if k not in self.choices}
        for name, values in self.choices.items():
            for value in values:
                plan = self._plan({name: value})  # refuses what makes no sense
        if not self.choices:
            plan = self._plan({})
        self.stream = plan.stream
        return plan

    def work(self):
        self.plan = self._plan({name: slider.value for name, slider in self.sliders.items()})
        return settled(follow)(self.plan)

    def _plan(self, some):
        first = {k: v[0] for k, v in self.choices.items()}
        return FleetPlan(self.method, self.stream, self.seeds, **self.options, **(first | some))


def live(method, stream, **options):
    """A panel that trains before your eyes: `Live`, and of clients `LiveFleet`; see there."""
    kind = LiveFleet if isinstance(stream, Clients | Arrivals) else Live
    return kind(method, stream, **options)
