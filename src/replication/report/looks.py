"""How each method is drawn, the same everywhere. Colours are of the Okabe-Ito palette, told apart by everyone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """Colour, line and marker of a method, as matplotlib names them."""

    color: str
    linestyle: str
    marker: str


BLUE, ORANGE, GREEN, RED, PINK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SKY, BLACK, GRAY, BROWN = "#56B4E9", "#000000", "#7F7F7F", "#8C510A"
LOOKS: dict[str, Look] = {
    "sgd": Look(ORANGE, "-", "s"),
    "adam": Look(GREEN, "-", "^"),
    "adam-minibatch": Look(GREEN, "--", "P"),
    "adamw": Look(GREEN, ":", "<"),
    "lbfgs": Look(RED, "-", "X"),
    "lbfgs-solved": Look(RED, "-.", "_"),
    "nesterov": Look(ORANGE, "--", "x"),
    "sgd-cosine": Look(ORANGE, "-.", "+"),
    "adam-cosine": Look(GREEN, "-.", "H"),
    "muon": Look(SKY, "-.", "3"),
    "variable-projection": Look(SKY, ":", "4"),
    "lifted-targets": Look(BLUE, "-.", "$T$"),
    "gauss-newton": Look(RED, ":", "|"),
    "badmm": Look(BLUE, "-", "o"),
    "badmm-ls": Look(BLUE, "--", "D"),
    "gradient-d": Look(PINK, "-.", "v"),
    "layerwise": Look(SKY, "-", ">"),
    "layerwise-unmasked": Look(SKY, "--", "h"),
    "lifted": Look(PINK, "-", "*"),
    "lifted-exact": Look(PINK, "--", "p"),
    "penalty": Look(BLACK, "-", "d"),
    "foof": Look(RED, "--", "8"),
    "adam-solved": Look(BLACK, "-.", "."),
    "adam-units-on": Look(ORANGE, ":", "$u$"),
    "lifted-momentum": Look(PINK, ":", "$m$"),
    "badmm-momentum": Look(BLUE, ":", "$M$"),
    "badmm-first-exact": Look(BLACK, "--", "1"),
    "badmm-last-exact": Look(BLACK, ":", "2"),
    "lpom": Look(GRAY, "-", "$L$"),
    "lifted-bregman": Look(GRAY, "--", "$B$"),
    "locoprop": Look(GRAY, "-.", "$l$"),
    "dual-propagation": Look(GRAY, ":", "$d$"),
    "dladmm": Look(BROWN, "-", "$a$"),
    "signal-steps": Look(BROWN, "--", "$s$"),
}


def look_of(method: str) -> Look:
    """How a method is drawn; one without a line here is black and dashed."""
    return LOOKS.get(method, Look(BLACK, (0, (4, 2)), "."))
