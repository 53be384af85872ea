"""Flash against plain arithmetic on bits; saves against a power cut at every operation, by brute force."""

import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch

import edgecl_lite as cl
from edgecl_lite.device import power
from edgecl_lite.device.slots import Saved
from edgecl_lite.learn import carried

PAIRS, TASKS = (cl.split(cl.digits(), per_task=5, scenario=s) for s in ("class", "task"))
NET, TOLD = (cl.mlp(stream, hidden=(4,)) for stream in (PAIRS, TASKS))
LIVES = {
    "Finetune": (cl.Finetune(NET), PAIRS),
    "EWC": (cl.EWC(NET, samples=10), PAIRS),
    "Replay": (cl.Replay(NET, 20), PAIRS),
    "Replay, reservoir": (cl.Replay(NET, 20, policy="reservoir", bits=4), PAIRS),
    "ICaRL": (cl.ICaRL(NET, 20), PAIRS),
    "LwF": (cl.LwF(NET), PAIRS),
    "Piggyback": (cl.Piggyback(TOLD), TASKS),
    "PackNet": (cl.PackNet(TOLD), TASKS),
    "StreamingLDA": (cl.StreamingLDA(NET), PAIRS),
}
BRIEF = dict(steps=3, batch_size=8)


def texts(n=3, size=100):
    """Saves that a life might make: n different strings of bytes."""
    dice = np.random.default_rng(n)
    return [dice.bytes(size + 7 * i) for i in range(n)]


def on(pages=4, many=2, checked=True, kind=cl.Slots, **options):
    return kind(cl.Flash(pages, page_bytes=256, **options), many, checked)


# ---- flash


def test_a_write_only_clears_bits_and_an_erase_sets_them():
    flash = cl.Flash(2, page_bytes=16)
    assert flash.read(0, 32) == b"\xff" * 32
    flash.write(4, b"\xf0\x0f\x01\x02")
    flash.write(4, b"\x3c\x3c\xff\xff\x07")  # five bytes are two words
    assert flash.read(0, 12) == b"\xff" * 4 + b"\x30\x0c\x01\x02" + b"\x07\xff\xff\xff"
    flash.write(16, b"\x00" * 16)
    flash.erase(0)
    assert flash.read(0, 32) == b"\xff" * 16 + b"\x00" * 16
    assert flash.erases.tolist() == [1, 0] and flash.words == 1 + 2 + 4 and flash.operations == 8
    has = cl.boards()["nano-33-ble"]
    seconds = has.erase_ms / 1e3 + 7 * has.write_us / 1e6
    assert flash.spent.halted == flash.spent.seconds == pytest.approx(seconds)
    assert flash.spent.energy_mj == flash.spent.flash_mj == pytest.approx(1e3 * has.flash_watts * seconds)


@pytest.mark.parametrize("cut", range(5))
def test_a_torn_write_is_whole_before_its_word_torn_in_it_and_untouched_behind(cut):
    old, new, seen = bytes(range(100, 120)), bytes(range(20)), set()
    for seed in range(30):
        flash = cl.Flash(1, page_bytes=20, cut=5 + cut, seed=seed)
        flash.write(0, old)
        with pytest.raises(cl.PowerLost, match=f"write of a word at {4 * cut:,}, operation {5 + cut}"):
            flash.write(0, new)
        was, will = (np.frombuffer(raw, np.uint8) for raw in (old, new))
        here, torn = np.frombuffer(flash.read(0, 20), np.uint8), slice(4 * cut, 4 * cut + 4)
        assert (here[: torn.start] == (was & will)[: torn.start]).all()
        assert (here[torn.stop :] == was[torn.stop :]).all()
        assert (here & ~was == 0).all() and ((was & will) & ~here == 0).all()  # between old and new
        seen.add(flash.read(torn.start, 4))
        assert flash.words == 5 + cut + 1 and flash.cut is None
    assert len(seen) > 3
    flash.write(0, new)  # power is back
    assert flash.read(0, 20) == bytes(a & b for a, b in zip(old, new))


def test_a_torn_erase_sets_some_bits_wears_the_page_and_spares_the_next():
    seen = set()
    for seed in range(30):
        flash = cl.Flash(2, page_bytes=8, cut=4, seed=seed)
        flash.write(0, b"\x0f" * 16)
        with pytest.raises(cl.PowerLost, match="erase of page 0"):
            flash.erase(0)
        assert all(byte & 0x0F == 0x0F for byte in flash.read(0, 8)) and flash.read(8, 8) == b"\x0f" * 8
        assert flash.erases.tolist() == [1, 0]
        seen.add(flash.read(0, 8))
    assert len(seen) > 20


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cl.Flash(0), "pages must be a whole number >= 1, got 0"),
        (lambda: cl.Flash(1, page_bytes=10), "page_bytes must be whole words of 4 bytes, got 10"),
        (lambda: cl.Flash(1, cut=-1), "cut must be a whole number >= 0, got -1"),
        (lambda: cl.Flash(2).erase(2), "page must be a whole number >= 0 and <= 1, got 2"),
        (lambda: cl.Flash(1).write(2, b"1234"), "words of 4 bytes within 4,096, got 4 bytes at 2"),
        (lambda: cl.Flash(1).write(4092, b"12345"), "within 4,096, got 8 bytes at 4,092"),
        (lambda: cl.Slots(cl.Flash(1)), "a page for each of 2 slots, got 1"),
        (
            lambda: cl.Slots(cl.Flash(2)).save(bytes(4081)),
            "4,080 bytes in each of 2 slots, got 4,081: take a flash of at least 3 pages",
        ),
        (lambda: cl.power_cuts([], on()), "saved must be a list of at least one value"),
        (lambda: cl.gone_on(b"edge", *LIVES["Finetune"]), "these 4 bytes are no whole save"),
    ],
)
def test_what_flash_refuses(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# ---- slots


def test_slots_take_turns_and_the_newest_is_found():
    slots, wear = on(), []
    assert slots.load() is None
    for i, raw in enumerate([b"", *texts(4), b"short"], 1):
        assert slots.save(raw) == slots.load() == Saved(i, raw)
        wear.append(slots.flash.erases.tolist())
    assert wear[:3] == [[1, 0, 0, 0], [1, 0, 1, 0], [2, 0, 1, 0]]  # the second pages are not needed


def test_a_slot_is_as_documented():
    """Mark, version, bytes and crc32, little-endian, then the body: read by other means."""
    slots = on(word=8)
    slots.save(b"first")
    slots.save(b"second!")
    raw = slots.flash.read(512, 24)
    fields = [int.from_bytes(raw[i : i + 4], "little") for i in (4, 8, 12)]
    assert raw[:4] == b"edge" and fields == [2, 7, zlib.crc32(raw[:12] + b"second!")]
    assert raw[16:23] == b"second!"


def test_any_single_bit_that_changes_is_seen():
    slots = on()
    slots.save(b"the one before")
    slots.save(b"the last one")
    for bit in range(8 * (16 + 12)):
        slots.flash.cells[512 + bit // 8] ^= 1 << bit % 8
        assert slots.load().raw == b"the one before"
        slots.flash.cells[512 + bit // 8] ^= 1 << bit % 8
    assert slots.load().raw == b"the last one"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("word", [4, 8])
def test_a_cut_at_every_operation_loses_no_more_than_the_save_it_hits(seed, word):
    saved, slots = texts(5, 300), on(word=word)
    cuts = cl.power_cuts(saved, slots, seed)
    assert cuts.survived.all() and slots.flash.operations == 0
    each = [-(-len(raw) // word) + 16 // word + -(-(len(raw) + 16) // 256) for raw in saved]
    assert np.bincount(cuts.interrupted).tolist() == each  # every operation was cut once
    assert (cuts.found != power.UNLIKE).all()
    assert str(cuts).startswith(f"{sum(each):,} of {sum(each):,} cuts survived; 0 left nothing")


def test_a_flash_that_was_used_is_taken_as_fresh_and_left_alone():
    slots = on()
    for raw in texts(3):
        slots.save(raw)
    was, cuts = slots.flash.cells.copy(), cl.power_cuts(texts(4), slots)
    assert cuts.survived.all() and (slots.flash.cells == was).all() and slots.load().raw == texts(3)[-1]
    assert (cuts.found == cl.power_cuts(texts(4), on()).found).all()
    few = cl.power_cuts(texts(4), slots, every=7)
    assert len(few.found) == sum(-(-n // 7) for n in np.bincount(cuts.interrupted))


def test_every_word_is_written_once_between_two_erases():
    slots, written = on(), np.zeros(256, int)  # of 256 words of 4 bytes
    erase, write = slots.flash.erase, slots.flash.write

    def counted_erase(page):
        written[64 * page : 64 * (page + 1)] = 0
        erase(page)

    def counted_write(at, raw):
        written[at // 4 : (at + len(raw) + 3) // 4] += 1
        write(at, raw)

    slots.flash.erase, slots.flash.write = counted_erase, counted_write
    for raw in (*texts(6, 400), b"", b"a"):
        slots.save(raw)
        assert written.max() == 1


class LastUnchecked(cl.Slots):
    """The header comes last, and is believed: torn, its version may be any."""

    _early = False


class TooEarly(cl.Slots):
    """The header first, with a checksum of its own only."""

    _early = True

    def _sealed(self, version, raw):
        head = super()._sealed(version, b"")
        return head[:8] + len(raw).to_bytes(4, "little") + head[12:]


@pytest.mark.parametrize(
    ("wrong", "leaves"),
    [
        (dict(many=1), "nothing"),
        (dict(many=1, checked=False), "unlike"),
        (dict(checked=False), "unlike"),
        (dict(kind=TooEarly), "unlike"),
        (dict(kind=LastUnchecked, checked=False), "unlike"),
    ],
    ids=["one slot", "one, no checksum", "no checksum", "header first", "header believed"],
)
def test_wrong_ways_are_found_out(wrong, leaves):
    found = [cl.power_cuts(texts(5, 300), on(**wrong), seed) for seed in range(20)]
    lost = np.concatenate([cuts.found[~cuts.survived] for cuts in found])
    assert len(lost) and (power.NOTHING if leaves == "nothing" else power.UNLIKE) in lost


def test_a_second_cut_while_it_is_saved_again_is_survived_too():
    saved, dice = texts(4, 60), np.random.default_rng(0)
    for _ in range(300):
        slots, safe = on(), None
        for raw in saved:
            for _ in range(2):
                slots.flash.cut = slots.flash.operations + int(dice.integers(40))
                with suppress(cl.PowerLost):
                    slots.save(raw)
                here = slots.load()
                assert (here and here.raw) in (raw, safe)
                safe = here and here.raw
                slots.flash.cut = None


# ---- a life


@pytest.mark.parametrize("name", ["Finetune", "EWC", "Replay"])
def test_a_life_cut_at_every_operation_is_found_as_it_was(name):
    method, stream = LIVES[name]
    saved = [*cl.saves(method, stream, **BRIEF)]
    assert len(saved) == len(set(saved)) == 3
    slots = cl.Slots(cl.Flash(16))
    cuts = cl.power_cuts(saved, slots)
    assert cuts.survived.all() and len(cuts.found) > 3 * len(saved[0]) // 4


@pytest.mark.parametrize("options", [{}, {"fresh": False}, {"seeds": 2}], ids=str)
@pytest.mark.parametrize("name", LIVES)
def test_from_every_save_it_goes_on_to_the_same_end(name, options):
    method, stream = LIVES[name]
    whole = cl.train(method, stream, progress=False, **BRIEF, **options)
    slots = cl.Slots(cl.Flash(32))
    for raw in cl.saves(method, stream, **BRIEF, **options):
        slots.save(raw)
        end = cl.gone_on(slots.load().raw, method, stream, **BRIEF, **options)
        for here, there in ((end.params, whole.params), (end.state, whole.state)):
            assert here.keys() == there.keys() and all(torch.equal(here[k], there[k]) for k in here)
        dice = {k: v for k, v in carried(end).items() if k.startswith("dice")}
        assert all(torch.equal(v, whole.carried[k]) for k, v in dice.items())


def test_a_save_of_another_training_is_refused():
    method, stream = LIVES["Replay"]
    raw = next(cl.saves(method, stream, **BRIEF))
    others = [(cl.Replay(NET, 30), stream, BRIEF), (method, cl.split(cl.digits(), [4, 6]), BRIEF)]
    for other, data, options in [*others, (method, stream, BRIEF | {"lr": 0.1})]:
        with pytest.raises(ValueError, match="saved by another training"):
            cl.gone_on(raw, other, data, **options)


@pytest.mark.parametrize("name", LIVES)
def test_what_a_device_keeps_takes_the_bytes_that_are_counted(name):
    method, stream = LIVES[name]
    run = cl.train(method, stream, seeds=2, progress=False, **BRIEF)
    for seed in range(2):
        raw = cl.kept(method, run.params, run.state, seed)
        header = 8 + int.from_bytes(raw[:8], "little")
        weights = sum(p[seed].nbytes for p in run.params.values())
        assert len(raw) - header == weights + cl.nbytes(method.keeps(run.state, seed))


def test_the_weights_come_out_again():
    method, stream = LIVES["Replay"]
    run = cl.train(method, stream, progress=False, **BRIEF)
    weights = cl.weights_in(cl.kept(method, run.params, run.state))
    assert all(torch.equal(weights[k], p) for k, p in run.params.items()) and len(weights) == len(run.params)
    assert cl.Finetune(NET, weights=weights).weights == weights
    with pytest.raises(ValueError, match="these 4 bytes are nothing that was kept"):
        cl.weights_in(b"edge")


def test_a_life_of_finetuning_takes_what_its_budget_says():
    method, stream = LIVES["Finetune"]
    run = cl.train(method, stream, progress=False, **BRIEF)
    raw = cl.kept(method, run.params, run.state)
    assert len(raw) - 8 - int.from_bytes(raw[:8], "little") == cl.budget(method, stream).flash


# ---- a step in pieces


def pieces_of_a_step(slots, done_at):
    """The gradient of one step in four pieces; its sum is saved after each, and taken up again."""
    x, y = (part[:32] for part in PAIRS.tasks[0].train)
    params = [p.detach().clone().requires_grad_() for p in NET.parameters()]
    names = [name for name, _ in NET.named_parameters()]
    found = slots.load()
    raw = found.raw if found else bytes([0]) + bytes(4 * sum(p.numel() for p in params))
    while raw[0] < 4:
        own = slice(8 * raw[0], 8 * (raw[0] + 1))
        logits = torch.func.functional_call(NET, dict(zip(names, params)), (x[own],))
        loss = torch.nn.functional.cross_entropy(logits, y[own], reduction="sum") / 32
        new = torch.cat([g.flatten() for g in torch.autograd.grad(loss, params)])
        total = torch.frombuffer(bytearray(raw[1:]), dtype=torch.float32) + new
        raw = bytes([raw[0] + 1]) + total.numpy().tobytes()
        done_at.append(raw[0])
        slots.save(raw)
    return torch.frombuffer(bytearray(raw[1:]), dtype=torch.float32)


def test_a_step_in_pieces_that_is_cut_anywhere_has_the_gradient_of_the_whole():
    slots, done = cl.Slots(cl.Flash(2)), []
    whole = pieces_of_a_step(slots, done)
    x, y = (part[:32] for part in PAIRS.tasks[0].train)
    loss = torch.nn.functional.cross_entropy(NET(x), y)
    once = torch.cat([g.flatten() for g in torch.autograd.grad(loss, [*NET.parameters()])])
    assert done == [1, 2, 3, 4] and torch.allclose(whole, once, atol=1e-6)
    for cut in range(0, slots.flash.operations, 13):
        slots, done = cl.Slots(cl.Flash(2, cut=cut)), []
        with pytest.raises(cl.PowerLost):
            pieces_of_a_step(slots, done)
        assert torch.equal(pieces_of_a_step(slots, done), whole)
        assert len(done) in (4, 5)  # one piece was done twice, unless the last word was whole
