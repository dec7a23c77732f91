"""YAML as the configuration's files and the command line have it: scalars as in YAML 1.2, each key once."""

import re

import yaml

from replication.errors import ConfigError

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(
    r"([-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
)
_BOOLEAN = re.compile(r"(true|True|TRUE|false|False|FALSE)$")
_TAGS = {"tag:yaml.org,2002:int": (_INTEGER, "-+0123456789"), "tag:yaml.org,2002:float": (_FLOAT, "-+.0123456789")}
_TAGS |= {"tag:yaml.org,2002:bool": (_BOOLEAN, "tTfF")}
_OTHERS = {*_TAGS, "tag:yaml.org,2002:timestamp"}  # what YAML 1.1 finds, and YAML 1.2 does not or in another form
LARGEST = 10**6  # values of one text, where each alias counts as what it stands for
DEEPEST = 100  # nesting of its values
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.1 takes 1e-3 for a string, 1:30 for 90, 010 for 8, no for false and 2020-10-10 for a date.

    Here the first is a number, and the others are strings.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML looks it up by this name)
        first: [rule for rule in rules if rule[0] not in _OTHERS]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _tag, (_pattern, _first) in _TAGS.items():
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))


def parse(text: str, source: str) -> object:
    """The value of a YAML text. Raises ConfigError, naming `source` and the line, for a fault or a key given twice."""
    try:
        _refuse_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repeated_keys(node)
        if _size(node, {}) > LARGEST:
            raise ValueError(f"its aliases stand for more than {LARGEST} values")
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigError(f"{source}{line}: {reason}") from None


def _refuse_depth(text: str) -> None:
    """Raise a YAMLError for a text whose nesting would end the process: PyYAML composes it by recursion, in C."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST}", problem_mark=event.start_mark)


def _size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """How many values a node stands for. known: those of the nodes that were counted already."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        pairs = isinstance(node, yaml.MappingNode)
        known[node] = 1 + sum(_size(entry[1] if pairs else entry, known) for entry in node.value)
    return known[node]


def _refuse_repeated_keys(root: yaml.Node) -> None:
    """PyYAML keeps the last of two values with the same key. Raises a YAMLError for them, and for what holds itself."""
    seen, waiting = set(), [(root, ())]
    while waiting:
        node, above = waiting.pop()
        if node in above:
            raise yaml.MarkedYAMLError(problem="a value holds itself", problem_mark=node.start_mark)
        if node in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(node)
        children = node.value
        if isinstance(node, yaml.MappingNode):
            names = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in names:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
                if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                    names.add(key.value)
            children = [value for _, value in node.value]
        waiting += [(child, (*above, node)) for child in children]
