"""Every drill, in the order they are done: those that disturb least first."""

from __future__ import annotations

from stack.drill import credentials, edge, objectives, overload, placement, release, store, telling
from stack.drill.drill import Drill
from stack.errors import nearest, usage

ALL: tuple[Drill, ...] = (
    *edge.DRILLS,
    *credentials.DRILLS,
    *telling.DRILLS,
    *placement.DRILLS,
    *objectives.DRILLS,
    *store.DRILLS,
    *release.DRILLS,
    *overload.DRILLS,
)


def chosen(words: tuple[str, ...]) -> tuple[Drill, ...]:
    """The drills of these names, in their order; all of them for no name. Raises a usage ToolError."""
    known = {drill.name: drill for drill in ALL}
    for word in words:
        if word not in known:
            raise usage(
                f'There is no drill "{word}"{nearest(word, known)}.', f"There are: {', '.join(known)}."
            )
    return tuple(drill for drill in ALL if not words or drill.name in words)
