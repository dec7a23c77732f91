import torch

from replication.seeds import generator


def draw(seed, purpose):
    return torch.randn(5, generator=generator(seed, purpose))


def test_streams_are_repeatable_and_apart():
    assert (draw(0, "noise") == draw(0, "noise")).all()
    assert not (draw(0, "noise") == draw(0, "weights")).any()
    assert not (draw(0, "noise") == draw(1, "noise")).any()


def test_a_stream_does_not_move_when_more_is_drawn_from_another():
    one, other = generator(0, "noise"), generator(0, "weights")
    torch.randn(1000, generator=other)
    assert (torch.randn(5, generator=one) == draw(0, "noise")).all()


def test_a_seed_of_the_command_line_is_the_same_seed():
    assert (draw("7", "noise") == draw(7, "noise")).all()


def test_streams_are_the_same_on_every_machine():
    """The hash behind a stream is part of what a seed means: results of older versions must stay repeatable."""
    assert generator(7, "data").initial_seed() == 4237268861321998237
