"""Bit packing against Python's own whole numbers, and what dicts of tensors give."""

import pytest
import torch

from edgecl_lite import nbytes
from edgecl_lite.lanes import copied, lane, lanes_of, stack, zeros
from edgecl_lite.methods.codecs import packed, unpacked


def by_hand(codes, bits):
    """Oracle: one long binary number, the first code in its lowest bits, cut into bytes."""
    whole = sum(code << i * bits for i, code in enumerate(codes))
    return list(whole.to_bytes(-(-len(codes) * bits // 8), "little"))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 64, 65])
def test_packing_loses_nothing_and_wastes_less_than_a_byte(bits, n):
    codes = torch.randint(2**bits, (3, 4, n), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)
    codes[0, 0], codes[0, 1] = 2**bits - 1, 0
    before, small = codes.clone(), packed(codes, bits)
    assert small.dtype == torch.uint8 and small.shape == (3, 4, (n * bits + 7) // 8)
    assert [row.tolist() for row in small.flatten(0, 1)] == [
        by_hand(row.tolist(), bits) for row in codes.flatten(0, 1)
    ]
    again = unpacked(small, bits, n)
    assert again.dtype == torch.uint8 and torch.equal(again, codes) and torch.equal(codes, before)


def test_two_halves_make_a_byte():
    assert packed(torch.tensor([1, 2, 15], dtype=torch.uint8), 4).tolist() == [0x21, 0x0F]
    assert unpacked(torch.tensor([0x21, 0x0F], dtype=torch.uint8), 4, 3).tolist() == [1, 2, 15]


@pytest.mark.parametrize("bits", [1, 3, 4, 7])
def test_every_byte_pattern_comes_back(bits):
    """The other way round: bytes whose unused bits are 0 survive unpacking and packing."""
    codes = torch.arange(256, dtype=torch.uint8).repeat(bits).view(-1, bits)  # bits bytes = 8 whole codes
    assert torch.equal(packed(unpacked(codes, bits, 8), bits), codes)


def test_dicts_of_tensors():
    tree = {"w": torch.arange(6.0).view(3, 2), "flag": torch.ones(3, dtype=torch.bool)}
    assert lanes_of(tree) == 3 and nbytes(tree) == 6 * 4 + 3 and nbytes({"a": tree, "b": tree}) == 54
    assert torch.equal(stack([lane(tree, i) for i in range(3)])["w"][:, 0], tree["w"])
    assert (zeros(tree)["w"] == 0).all() and zeros(tree)["flag"].dtype == torch.bool
    other = copied(tree)
    other["w"] += 1
    assert tree["w"][0, 0] == 0
