"""What tells the passes of a series apart: numbers and times in headers, pauses, the table's way back.

Each way to tell names the pass of every frame, "" for what says nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from cds.imaging.frames import Frame, seconds
from cds.imaging.geometry import crowded, places

_PAUSE_S = 3.0
"""Between images of one pass at most: within it a rotation and a step of the table, between passes a move back."""
_FEW_STEPS = 5
"""Backwards, that the table's way may seem to go within a pass: slices of one turn of the gantry come in any order."""


def _bursts(stamps: Sequence[str]) -> list[str]:
    """Names of the runs without a pause, one a time: where each slice has a time of its own."""
    times = [seconds(stamp) for stamp in stamps]
    known = sorted({time for time in times if time is not None})
    starts = [after for before, after in pairwise(known) if after - before > _PAUSE_S]
    return ["" if time is None else str(bisect_right(starts, time)) for time in times]


def _turns(frames: Sequence[Frame]) -> list[str]:
    """Names of the runs of the table in one direction, one a frame: a shuttle goes back without a pause."""
    times = [seconds(frame.time) for frame in frames]
    if None in times:
        return [""] * len(frames)
    order = np.lexsort((places(frames), np.array(times, float)))
    where = places(frames)[order]
    back = _FEW_STEPS * float(np.median(np.abs(np.diff(where)))) if len(where) > 1 else 0.0
    starts, farthest, direction = [0], 0, 0.0
    for index in range(1, len(where)):
        if not direction and abs(where[index] - where[starts[-1]]) > back:
            direction = float(np.sign(where[index] - where[starts[-1]]))
        on = float(where[index] - where[farthest]) * direction
        if on > 0:
            # a shuttle may begin its way back where it ended
            farthest = index
        elif on < -back:
            # the way back began behind the farthest point, a few slices ago
            starts.append(farthest + 1)
            farthest, direction = index, float(np.sign(where[index] - where[starts[-1]]))
    names = np.empty(len(where), int)
    names[order] = np.searchsorted(starts, np.arange(len(where)), side="right")
    return [str(name) for name in names]


def _made(frames: Sequence[Frame]) -> list[str]:
    """When the images were made: a computer that makes them side by side stamps one pass in turns. Believed where the
    acquisition has no time, or the same for all as a copy of the series' has, or several images lie at one place."""
    believed = len({frame.time for frame in frames}) < 2 or crowded(frames)
    return [frame.made if believed else "" for frame in frames]


Telling = Callable[[Sequence[Frame]], list[str]]
"""What each frame says, "" for nothing."""
TELL_PASSES: tuple[Telling, ...] = (
    lambda frames: [frame.temporal for frame in frames],
    lambda frames: [frame.acquisition for frame in frames],
    lambda frames: _bursts([frame.time for frame in frames]),
)
MAY_TELL: tuple[Telling, ...] = (
    lambda frames: [frame.time for frame in frames],
    _made,
    lambda frames: _bursts(_made(frames)),
    _turns,
)
"""Believed when what they tell apart is whole: images of one pass are often made out of order."""
