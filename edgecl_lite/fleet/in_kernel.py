"""Flower's apps in this process: each message goes through bytes, but through no socket.

Where Flower has machines, here is a context for each client. `TaskIdentity` and `serde` are private
names of Flower, which another version may not have. Lesson: federated_learning.
"""

from .flower import client_app, server_app  # first: it says how Flower is to be imported
from .plan import FleetPlan

from flwr.app import Context, RecordDict
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity


class InKernel(Grid):
    """Machines that are none. sent: bytes of the arrays (down, up) for every client called."""

    set_run = run = create_message = push_messages = pull_messages = None  # nobody asks for them

    def __init__(self, app, members):
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 0
        self.app, self.sent = app, []
        self.nodes = {c + 1: context(c + 1, {"partition-id": c}) for c in range(members)}

    def get_node_ids(self):
        return list(self.nodes)

    def send_and_receive(self, messages, *, timeout=None):
        in_order = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        return [self.answered(message) for message in in_order]

    def answered(self, message):
        """The reply of the client that a message is for."""
        reply = wired(self.app(wired(message), self.nodes[message.metadata.dst_node_id]))
        self.sent.append((weight(message), weight(reply)))
        return reply


def context(node, config):
    """What an app of a machine keeps from message to message."""
    return Context(1, node, config, RecordDict(), {})


def wired(message):
    """A message as it comes out of its bytes, with no memory shared."""
    proto = message_to_proto(message)
    return message_from_proto(type(proto).FromString(proto.SerializeToString()))


def weight(message):
    """Bytes of the arrays in a message."""
    return sum(len(v.data) for own in message.content.array_records.values() for v in own.values())


def run_in_kernel(method, clients, seed=0, seen=None, **options):
    """(θ, [(bytes down, bytes up) of each client called]) of a fleet that Flower has trained.

    θ {name: (1, …)} are the params of fleet_train(method, clients, [seed], …), up to the last
    digits. seen(step, θ) is called at the start and after every round. Options: `FleetOptions`.
    """
    last = {}

    def look(step, theta):
        last.update(theta)
        if seen is not None:
            seen(step, theta)

    server = server_app(method, clients, seed, look, **options)
    members = FleetPlan(method, clients, [seed], **options).members
    grid = InKernel(client_app(method, clients, seed, **options), members)
    server(grid, context(0, {}))
    return last, grid.sent
