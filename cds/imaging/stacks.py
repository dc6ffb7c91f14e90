"""Which slices make up one volume: same geometry, one at each place, one pass over the body.

Never by file order, instance number or frame of reference alone: the first two are arbitrary, the last is broken by
anonymisers. A series may hold several passes (phases) over the same part of the body; they are separated when a header
element tells them apart and each is a whole stack, but for single slices that can be filled in. What a header tells
apart and is not whole is dropped or refused as ambiguous: a volume in which phases alternate looks like anatomy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from cds.imaging.coverage import upper_abdomen
from cds.imaging.frames import Frame, seconds
from cds.imaging.geometry import SAME_DIRECTION, SAME_PLACE_MM, crowded, places
from cds.imaging.pixels import Slab
from cds.imaging.reasons import Note, Reason, Remark
from cds.imaging.telling import MAY_TELL, TELL_PASSES, Telling

_SAME_THICKNESS = 0.1
"""Relative: one scan says 0.6 and 0.625 mm of its slices; 1 and 1.25 are two reconstructions."""
_FEW_TURNS = 4
"""From one thickness to another along one scan: thinner slices of an organ or two in the midst."""
_APART = 2.0
"""Of their thickness, by which slices of one thickness lie apart at most: as 3 mm every 5 mm."""
_SAME_SPACING = 2e-3
"""Relative."""
_SAME_PART = 0.8
"""Of the shorter of two passes that must lie within the longer one: blocks of one pass share a border at most."""
_SAME_STEP = 0.75
"""Of the step from slice to slice: what lies nearer than that is between two, of another pass."""
_OTHER_SCAN_S = 20.0
"""Between the beginnings or the middles of two scans, at least: a late arterial phase comes 35-45 s after the
injection, the portal venous one from 65 s on, and images made twice of one scan have its times."""
_SPANNED = 1.5
"""Of a slice's thickness: beyond it lies a hole."""
_SIDE_BY_SIDE = 0.1
"""Of a slice's thickness, by which the step between slices that were taken in turns may differ from it."""
_EVEN = 0.05
"""Of that step, by which each single one may differ from a multiple of it."""
_MOSTLY = 0.9
"""Of those steps that are so: the table may be off once."""
_MOST_LACKING = 0.2
"""Of a pass, in slices that may be filled in: two blocks in turns would lack half."""
_FEW_LACKING = 0.04
"""Of one pass whose images were made in any order, in slices: a fifth of one of four passes is more."""
MOST_MISSING = 2
"""Slices in a row that may be filled in."""
FEWEST = 3
"""Slices without which there is no volume."""


@dataclass(frozen=True, eq=False)
class Slice:
    frame: Frame
    hu: Slab
    """[rows, columns] int16 HU."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices from the feet to the head, one at a place; or why they can't be used."""

    slices: tuple[Slice, ...]
    remarks: tuple[Remark, ...] = ()
    refused: Reason | None = None


def stacks(slices: Sequence[Slice]) -> list[Stack]:
    """All stacks in a series' slices, the largest first; those that can't be used last."""
    groups = [part for group in _by_geometry(slices) for part in _by_thickness(group)]
    remarks = [Remark(Note.GROUPS, str(len(groups)))] if len(groups) > 1 else []
    found = [stack for group in groups for stack in _passes(group, remarks)]
    return sorted(found, key=lambda stack: (stack.refused is not None, -len(stack.slices)))


def another_pass(a: Stack, b: Stack) -> bool:
    """Whether two stacks of one series may show one part of the body at two times, instead of one scan made into images
    twice."""
    one, other = ([each.frame for each in stack.slices] for stack in (a, b))
    alike = _same_geometry(one[0], other[0])
    nested = _nested([list(a.slices), list(b.slices)])
    times = [_times(a.slices), _times(b.slices)]
    if not nested:
        return alike and not _in_one_go(times)  # blocks
    if alike and _as_thick(_thickness(one), _thickness(other)):
        return True  # what told them apart was no kernel, no field of view and no thickness
    if all(len(set(each)) >= FEWEST for each in times):
        # slices have times of their own: no two scans run at once, and what lasts longer may be of two
        starts, ends = (list(map(which, times)) for which in (min, max))
        return bool(max(starts) >= min(ends) or max(np.ptp(starts), np.ptp(ends)) >= _OTHER_SCAN_S)
    numbers = [{frame.acquisition for frame in frames} for frames in (one, other)]
    if "" not in numbers[0] | numbers[1] and not numbers[0] & numbers[1]:
        return True
    if all(times) and abs(np.median(times[0]) - np.median(times[1])) >= _OTHER_SCAN_S:
        return True
    # two phases have one kernel and one field of view as a rule, and of their thickness nothing is known
    return alike and not (all(times) and (numbers[0] & numbers[1]) - {""})


def _in_one_go(times: list[list[float]]) -> bool:
    """Whether two blocks began too near to each other to be of two phases. One time for both may be a copy."""
    known = all(times) and not set(times[0]) & set(times[1])
    return known and abs(min(times[0]) - min(times[1])) < _OTHER_SCAN_S


def _by_geometry(slices: Sequence[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            if _same_geometry(group[0].frame, one.frame):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _same_geometry(a: Frame, b: Frame) -> bool:
    return (
        a.size == b.size
        and a.kernel == b.kernel
        and all(abs(x - y) <= SAME_DIRECTION for x, y in zip(a.orientation, b.orientation, strict=True))
        and all(abs(x - y) <= _SAME_SPACING * x for x, y in zip(a.spacing, b.spacing, strict=True))
    )


def _by_thickness(group: list[Slice]) -> list[list[Slice]]:
    """Two reconstructions of one scan, over the same part of the body, each by itself; [group] for one, of which some
    slices may say another thickness."""
    where = places([one.frame for one in group])
    ordered = [group[i] for i in np.argsort(where, kind="stable")]
    kinds = _thicknesses(ordered)
    several = [kind for kind in kinds if not _stray(kind) and kind[0].frame.thickness is not None]
    if len(several) < 2 or not _nested(several) or any(map(_interrupted, several)):
        return [group]
    apart = all(map(_regular, several)) or (all(map(_dense, several)) and not _row(ordered))
    return kinds if apart else [group]


def _thicknesses(ordered: list[Slice]) -> list[list[Slice]]:
    kinds: list[list[Slice]] = []
    for one in ordered:
        alike = (kind for kind in kinds if _as_thick(kind[0].frame.thickness, one.frame.thickness))
        if (kind := next(alike, None)) is None:
            kinds.append([one])
        else:
            kind.append(one)
    return kinds


def _in_turns(ordered: list[Slice], kinds: list[list[Slice]]) -> bool:
    """Along the body, not one kind after the other."""
    told = [kind for kind in kinds if not _stray(kind) and (_dense(kind) or _regular(kind))]
    kind_of = {id(one): number for number, kind in enumerate(told) for one in kind}
    row = [kind_of[id(one)] for one in ordered if id(one) in kind_of]
    return sum(a != b for a, b in pairwise(row)) > _FEW_TURNS


def _interrupted(kind: list[Slice]) -> bool:
    """By a hole as long as where other slices take over: thinner ones of the organ that is looked at, say."""
    steps = np.diff(places([one.frame for one in kind]))
    steps = steps[steps >= SAME_PLACE_MM]
    # slices that creep on by less than the least step are no stack that stands by itself, either
    return not len(steps) or bool(steps.max() > (MOST_MISSING + 1 + _SAME_STEP) * np.quantile(steps, 0.9))


def _dense(kind: list[Slice]) -> bool:
    """Whether its slices lie about as near as they are thick: a few may but say a thickness that is not theirs."""
    steps = np.diff(places([one.frame for one in kind]))
    steps = steps[steps >= SAME_PLACE_MM]
    return bool(len(steps)) and bool(np.median(steps) <= _APART * (kind[0].frame.thickness or 0.0))


def _as_thick(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and abs(a - b) <= _SAME_THICKNESS * max(a, b))


def _thickness(frames: Sequence[Frame]) -> float | None:
    known = [frame.thickness for frame in frames if frame.thickness is not None]
    return float(np.median(known)) if known else None


def _passes(group: list[Slice], remarks: list[Remark]) -> list[Stack]:
    where = places([one.frame for one in group])
    order = np.argsort(where, kind="stable")
    ordered = [group[i] for i in order]
    ordered, copies = _without_copies(ordered, where[order])
    if copies:
        remarks = [*remarks, Remark(Note.DUPLICATES, str(copies))]
    parts = _split(ordered)
    if parts:
        remarks = [*remarks, Remark(Note.SPLIT, str(len(parts)))]
        return [stack for part in parts for stack in _passes(part, remarks)]
    told_apart = [_parts(ordered, tell) for tell in TELL_PASSES]
    for parts in told_apart:
        kept = _without_strays(ordered, parts)
        if len(kept) < len(ordered):
            return _passes(kept, [*remarks, Remark(Note.STRAYS, str(len(ordered) - len(kept)))])
    # what only may tell passes apart is believed where each is whole but for long holes: the images of one pass, in
    # whatever order they were made, do not fall into such parts
    may_be = [_parts(ordered, tell) for tell in MAY_TELL]
    holed = [parts for parts in may_be if all(_whole(part, math.inf) for part in parts) and _nested(parts)]
    for parts in told_apart + holed:
        if not _overlap(parts) or _interspaced(parts):
            continue
        whole = [part for part in parts if _whole(part)]
        if not whole or not _nested([part for part in parts if not _stray(part)]):
            return _blocks(ordered, parts, remarks)
        remarks = [*remarks, Remark(Note.NOT_WHOLE, str(len(parts) - len(whole)))]
        dropped = [Stack(tuple(part), tuple(remarks), Reason.MISSING_SLICES) for part in parts if not _whole(part)]
        return [stack for part in whole for stack in _passes(part, remarks)] + dropped
    if _in_turns(ordered, kinds := _thicknesses(ordered)):
        may_be.append(kinds)
    doubted = [parts for parts in may_be if _in_doubt(ordered, parts)]
    if doubted or crowded([one.frame for one in ordered]):
        told = (parts for parts in doubted if all(map(_whole, parts)))
        return _blocks(ordered, next(told, []), remarks)
    return [Stack(tuple(ordered), tuple(remarks))]


def _blocks(ordered: list[Slice], parts: list[list[Slice]], remarks: list[Remark]) -> list[Stack]:
    """Of blocks that overlap in part, as chest and abdomen do, those that show all of the abdomen's organs: what is not
    whole in one of them is never put together from two."""
    shows = [_shows_all(part) for part in parts] if all(map(_whole, parts)) else []
    if not any(shows):
        return [_ambiguous(ordered, remarks)]
    remarks = [*remarks, Remark(Note.SPLIT, str(len(parts)))]
    return [
        stack
        for part, shown in zip(parts, shows, strict=True)
        for stack in (_passes(part, remarks) if shown else [_ambiguous(part, remarks)])
    ]


def _shows_all(block: list[Slice]) -> bool:
    return upper_abdomen([one.hu for one in block], places([one.frame for one in block]))


def _ambiguous(ordered: list[Slice], remarks: list[Remark]) -> Stack:
    return Stack(tuple(ordered), tuple(remarks), Reason.NO_EXTENT if _one_place(ordered) else Reason.AMBIGUOUS)


def _without_copies(ordered: list[Slice], where: NDArray[np.float64]) -> tuple[list[Slice], int]:
    """Slices with the very pixels of another one at the same place are dropped; how many were."""
    kept: list[Slice] = []
    here: dict[bytes, list[Slice]] = {}  # by a few of their pixels: CT fluoroscopy leaves hundreds at one place
    for index, one in enumerate(ordered):
        if index and where[index] - where[index - 1] >= SAME_PLACE_MM:
            here = {}
        alike = here.setdefault(one.hu[::16, ::16].tobytes(), [])
        if not any(np.array_equal(one.hu, other.hu) for other in alike):
            alike.append(one)
            kept.append(one)
    return kept, len(ordered) - len(kept)


def _one_place(ordered: list[Slice]) -> bool:
    return bool(np.ptp(places([one.frame for one in ordered])) < SAME_PLACE_MM)


def _parts(ordered: list[Slice], tell: Telling) -> list[list[Slice]]:
    frames = [one.frame for one in ordered]
    said = tell(frames)
    parts = _gathered(ordered, said)
    silent = parts.pop("", [])
    if silent and parts and not _overlap(list(parts.values())):
        parts = _gathered(ordered, _with_neighbours(places(frames), said))
    elif silent:
        parts[""] = silent
    return list(parts.values())


def _gathered(ordered: list[Slice], said: list[str]) -> dict[str, list[Slice]]:
    parts: dict[str, list[Slice]] = {}
    for what, one in zip(said, ordered, strict=True):
        parts.setdefault(what, []).append(one)
    return parts


def _with_neighbours(where: NDArray[np.float64], said: list[str]) -> list[str]:
    """What says nothing, as the nearest that does, if all of it lies where that has a hole or ends: not between."""
    tells = np.array([bool(what) for what in said])
    telling, silent = np.flatnonzero(tells), np.flatnonzero(~tells)
    step = float(np.median(np.diff(where[telling]))) if len(telling) > 1 else 0.0
    apart = np.abs(where[silent][:, None] - where[telling])
    if apart.min() < max(_SAME_STEP * step, SAME_PLACE_MM):
        return said
    filled = list(said)
    for index, nearest in zip(silent.tolist(), telling[apart.argmin(axis=1)].tolist(), strict=True):
        filled[index] = said[nearest]
    return filled


def _split(ordered: list[Slice]) -> list[list[Slice]]:
    """One list a pass, [] when there is but one or nothing tells whole ones apart."""
    for tell in (*TELL_PASSES, *MAY_TELL):
        parts = _parts(ordered, tell)
        if len(parts) > 1 and all(_whole(part) for part in parts) and _nested(parts) and not _interspaced(parts):
            return parts
    return []


def _without_strays(ordered: list[Slice], parts: list[list[Slice]]) -> list[Slice]:
    """All but the parts that are no stack and lie within one that may be: images that time the contrast, at one place
    again and again."""
    spans = [(places([part[0].frame, part[-1].frame]), part) for part in parts]
    starts, ends = np.array([span for span, part in spans if not _stray(part)]).reshape(-1, 2).T
    strays = (
        part
        for (start, end), part in spans
        if _stray(part) and ((starts - end < SAME_PLACE_MM) & (start - ends < SAME_PLACE_MM)).any()
    )
    dropped = {id(one) for part in strays for one in part}
    return [one for one in ordered if id(one) not in dropped]


def _stray(part: list[Slice]) -> bool:
    return len(part) < FEWEST or _one_place(part)


def _whole(part: list[Slice], longest: float = MOST_MISSING) -> bool:
    """A stack by itself: enough slices, one at a place, no hole but such as can be filled in. ``longest``: slices in a
    row that may be missing."""
    if len(part) < FEWEST:
        return False
    steps = np.diff(places([one.frame for one in part]))
    if steps.min() < SAME_PLACE_MM:
        return False
    missing = np.round(steps / np.median(steps)) - 1
    return bool(missing.max() <= longest and missing.sum() <= _MOST_LACKING * len(part))


def _in_doubt(ordered: list[Slice], parts: list[list[Slice]]) -> bool:
    """Whether what may tell passes apart lies in turns, and together is no row of slices such as one pass makes: these
    may be two passes, one of them with holes."""
    parts = [part for part in parts if not _stray(part)]
    return _overlap(parts) and not _interspaced(parts) and not _row(ordered)


def _regular(part: list[Slice]) -> bool:
    """Whole, and none nearer to the next than the others are."""
    steps = np.diff(places([one.frame for one in part]))
    return _whole(part) and bool(steps.min() >= _SAME_STEP * np.median(steps))


def _row(ordered: list[Slice]) -> bool:
    """One after the other, evenly, with hardly one lacking."""
    steps = np.diff(places([one.frame for one in ordered]))
    step = float(np.median(steps))
    if steps.min() < max(_SAME_STEP * step, SAME_PLACE_MM):
        return False
    return bool((np.round(steps / step) - 1).clip(0).sum() <= _FEW_LACKING * len(ordered))


def _interspaced(parts: list[list[Slice]]) -> bool:
    """Whether one scan took its slices in turns: each part has holes that its slices are too thin for, together they
    lie side by side, evenly and as far apart as they are thick. Slices of two phases are as thick as they lie apart
    within each; where they are thinner, those of the second lie anywhere between those of the first."""
    if len(parts) < 2 or min(map(len, parts)) < FEWEST:
        return False
    frames = [one.frame for part in parts for one in part]
    known = [frame.thickness for frame in frames if frame.thickness is not None]
    middles = [np.median(times) for part in parts if (times := _times(part))]
    if not known or len({frame.temporal for frame in frames}) > 1 or (middles and np.ptp(middles) >= _OTHER_SCAN_S):
        return False
    thick = float(np.median(known))
    apart = min(float(np.median(np.diff(places([one.frame for one in part])))) for part in parts)
    steps = np.diff(np.sort(places(frames)))
    together = float(np.median(steps))
    if together < SAME_PLACE_MM or abs(together - thick) > _SIDE_BY_SIDE * thick or apart < _SPANNED * thick:
        return False
    multiples = np.maximum(np.round(steps / together), 1)
    return bool((np.abs(steps / together - multiples) <= _EVEN).mean() >= _MOSTLY)


def _times(part: Sequence[Slice]) -> list[float]:
    return [time for one in part if (time := seconds(one.frame.time)) is not None]


def _overlap(parts: list[list[Slice]]) -> bool:
    """Passes cover the same part of the body at least in part; consecutive blocks of one pass do not."""
    ranges = [places([part[0].frame, part[-1].frame]) for part in parts]
    ranges.sort(key=lambda ends: float(ends[0]))
    return any(float(before[1] - after[0]) > -SAME_PLACE_MM for before, after in pairwise(ranges))


def _nested(parts: list[list[Slice]]) -> bool:
    """Of any two, one covers nearly all that the other does: none is but half a pass whose rest is in another."""
    ranges = [places([part[0].frame, part[-1].frame]) for part in parts]
    return all(
        min(a[1], b[1]) - max(a[0], b[0]) >= _SAME_PART * min(a[1] - a[0], b[1] - b[0])
        for a, b in combinations(ranges, 2)
    )
