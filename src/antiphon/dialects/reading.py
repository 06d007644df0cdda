"""A request of another API, read: what it asks for in our terms, and where in it each of our items and tools stands.

The core speaks of `input[3].content[0]`; whoever sent `messages[2].content[1]` is told of that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from antiphon.errors import AntiphonError, NotFound
from antiphon.types.items import Item
from antiphon.types.responses import CreateResponse

_encode = msgspec.json.Encoder().encode

_ENTRY = re.compile(r"(?P<list>input|tools)\[(?P<index>\d+)\](?P<rest>.*)", re.DOTALL)
_PART = re.compile(r"\.(?:content|output)\[(?P<index>\d+)\](?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item or a tool came from.

    `parts` are the paths of its content's parts; `names` leads from fields of ours to the client's, below `path`.
    """

    path: str
    parts: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Reading:
    """What a request asks for.

    `params` leads from parameters of ours to the client's, `parts` does the same for the fields of a part.
    """

    params: Mapping[str, str]
    parts: Mapping[str, str]
    items: list[Raw] = field(default_factory=list[Raw])
    item_places: list[Place] = field(default_factory=list[Place])
    tools: list[Raw] = field(default_factory=list[Raw])
    tool_places: list[Place] = field(default_factory=list[Place])
    request: CreateResponse = field(init=False)

    def add(self, item: Item, place: Place) -> None:
        """Add an item that stands for what is at `place`."""
        self.items.append(Raw(_encode(item)))
        self.item_places.append(place)

    def add_tool(self, tool: object, place: Place) -> None:
        """Add a tool that stands for what is at `place`."""
        self.tools.append(Raw(_encode(tool)))
        self.tool_places.append(place)

    def blame(self, error: AntiphonError) -> AntiphonError:
        """Return the error in the client's terms: its `param`, and 404 for a model that isn't there."""
        param = self.path(error.param)
        if error.param and param and param != error.param:
            error.message = error.message.replace(f"'{error.param}'", f"'{param}'")
        error.param = param
        if error.code == "model_not_found":
            return NotFound(error.message, code=error.code, param=param)
        return error

    def path(self, param: str | None) -> str | None:
        """Return the client's path for a path of ours; as much of it as the client's request has."""
        if param is None:
            return None
        if found := _ENTRY.fullmatch(param):
            places = self.item_places if found["list"] == "input" else self.tool_places
            if int(found["index"]) < len(places):
                return self._inside(places[int(found["index"])], found["rest"])
        return self._parameter(param)

    def _inside(self, place: Place, rest: str) -> str:
        if (part := _PART.fullmatch(rest)) and int(part["index"]) < len(place.parts):
            return place.parts[int(part["index"])] + _below(self.parts, part["rest"])
        return place.path + _below(place.names, rest)

    def _parameter(self, param: str) -> str:
        head = param
        while head not in self.params:
            shorter = re.sub(r"(?:\.[^.\[]*|\[\d+\])\Z", "", head)
            if shorter == head:
                return param
            head = shorter
        return self.params[head]


def _below(names: Mapping[str, str], rest: str) -> str:
    """Return the client's name of a field below a path, with a dot; none when it has no such field."""
    name = names.get(re.split(r"[.\[]", rest.removeprefix("."), maxsplit=1)[0])
    return f".{name}" if name else ""
