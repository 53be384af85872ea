"""What goes over the air: a model or a report as bytes, and the way back.

A message is a safetensors file: a header of names, types and shapes, then the numbers themselves.
Lesson: federated_learning.
"""

from safetensors.torch import load, save


def message(tree):
    """The bytes in which a dict of tensors is sent."""
    return save({k: v.detach().cpu().contiguous() for k, v in tree.items()})


def opened(raw):
    """The dict of tensors in the bytes of a message. ValueError where they are none."""
    try:
        return load(raw)
    except Exception as error:
        raise ValueError(f"this is no message of a fleet: {error}") from None
