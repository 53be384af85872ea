"""What Flower runs on every machine: our client, which is told its number, and our server.

On real machines each would read its own samples in place of these.
"""

import os

from safetensors.torch import save_file

import edgecl_lite as cl

people = cl.clients(cl.digits(), 2, alpha=0.5)
fleet = cl.Replay(cl.mlp(people.whole), capacity=50), people
options = dict(rounds=3, local_epochs=2, optimizer="sgd", lr=0.1)


def seen(step, theta):
    """Keep the model of the last round, which Flower itself would only log."""
    if step == options["rounds"]:
        save_file(theta, os.environ["EDGECL_FLEET_MODEL"])


client = cl.flower.client_app(*fleet, **options)
server = cl.flower.server_app(*fleet, seen=seen, **options)
