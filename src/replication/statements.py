"""The statements that claims are judged by, as config/claims.yaml has them: their experiments and baselines.

A statement names experiments without suffix. Each kind of baseline (claims.kinds) has the experiments of that name and
its suffix, and can have variants of a baseline, of which the best stands for it.
"""

from collections.abc import Collection, Iterator

from replication.errors import nearest
from replication.methods import METHODS, POSTER, baselines, of_role

KEPT = "; only an optimizer that claims and limits do not compare can be left out"


def experiments_of(statement: dict, kind: dict, known: Collection[str]) -> list[str]:
    """The experiments that the statement is judged on with a kind of baseline, its own first.

    known: the configured experiments. A kind with a suffix leaves out what is not there elsewhere.
    """
    own, *others = (name + kind["suffix"] for name in (statement["experiment"], *statement.get("elsewhere", [])))
    return [own, *(name for name in others if not kind["suffix"] or name in known)]


def rivals(kind: dict, against: str, optimizers: Collection[str]) -> list[str]:
    """The baseline and its variants of a kind that take part in an experiment with these optimizers."""
    return [against, *(name for name in kind["variants"].get(against, []) if name in optimizers)]


def faults(claims: dict, experiments: dict[str, dict]) -> Iterator[str]:
    """What no schema can say of the section "claims": names of what is not there."""
    kinds = claims["kinds"]
    for number, kind in enumerate(kinds):
        key = f"claims.kinds.{number}"
        for field in ("name", "suffix"):
            if kind[field] in [other[field] for other in kinds[:number]]:
                yield f"{key}.{field}: {kind[field]!r} is another one's {field}"
        for against, variants in kind["variants"].items():
            yield from _strange(f"{key}.variants", [against])
            for name in variants:
                if name not in METHODS:
                    yield f"{key}.variants.{against}: {name} is no method{nearest(name, METHODS)}"
    for number, statement in enumerate(claims["statements"]):
        key = f"claims.statements.{number}"
        for kind in kinds if "experiment" in statement else ():
            for name in experiments_of(statement, kind, experiments):
                known = experiments.get(name, {}).get("optimizers", {})
                readings = set(of_role(POSTER))  # elsewhere, a kind with a suffix may have one of them alone
                if kind["suffix"] and name != statement["experiment"] + kind["suffix"] and readings & known.keys():
                    readings &= known.keys()
                missing = sorted({*readings, *statement["against"]} - known.keys())
                if missing:
                    close = KEPT if name in experiments else nearest(name, experiments)
                    methods = ", ".join(missing)
                    yield f"{key}: {name} is no experiment with {methods}{close} (kind of baseline: {kind['name']})"
        yield from _strange(f"{key}.against", statement.get("against", ()))


def _strange(key: str, names: Collection[str]) -> Iterator[str]:
    strange = sorted(set(names) - set(baselines()))
    if strange:
        yield f"{key}: {', '.join(strange)} must be of {', '.join(baselines())}"
