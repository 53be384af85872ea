"""What a client needs of its device: what its method needs, and what it sends and receives.

    a round: P w + h bytes down, as many up        P weights of w bytes, h of header

FedProx and clipping hold the model as it came beside the one that learns: P w more of RAM.
Lesson: federated_learning.
"""

from dataclasses import dataclass, fields
from functools import cached_property

from .._refuse.arguments import number
from ..device.budget import Budget, budget
from ..device.rules import RAM
from ..machine.settled import settled
from ..streams import Stream, Task
from .members import Clients
from .messages import message


@dataclass(frozen=True)
class ClientBudget(Budget):
    """The `Budget` of a client; held: whether it keeps the model as it came while it learns."""

    held: bool = False

    @cached_property
    def message(self):
        """Bytes of a model as it is sent, header and all, one way; floats, as `federate` sends."""
        return len(message({k: p[None] for k, p in self.method.net.named_parameters()}))

    @cached_property
    def lines(self):
        """[(what, bytes, "RAM" or "flash")], training and sending."""
        came = [("model as it came", self.weight_bytes * self.net.weights, RAM)] * self.held
        return [*Budget.lines.func(self), *came, ("message", self.message, RAM)]


@settled
def client_budget(method, clients, mu=0.0, clip=None, batch_size=16, **options):
    """What the client with most samples needs to take part: a `ClientBudget`.

    clients: `Clients` or their `Arrivals`; mu, clip: as for `federate`; else as `budget`, which
    raises what this raises. The message, put together whole, stands in RAM.
    """
    tasks = clients.whole if isinstance(clients, Clients) else clients
    most = max(tasks.shares, key=lambda own: sum(len(train[1]) for train, _ in own))
    parts = [
        Task(task.name, train, train, task.classes, task.labels)
        for task, (train, _) in zip(tasks, most, strict=True)
        if len(train[1])
    ]
    own = budget(
        method, Stream(parts, tasks.scenario, tasks.outputs, tasks.rule), batch_size, **options
    )
    held = number("mu", mu) > 0 or clip is not None
    return ClientBudget(*(getattr(own, field.name) for field in fields(Budget)), held=held)
