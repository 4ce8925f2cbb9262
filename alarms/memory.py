"""What the rules remember, as bytes: enough that a restart goes on as if nothing had been.

Only what a new start would not know is kept, so its size follows what moves, not how many points there are. It is
keyed by (owner, rule, version of the rule) and by point: a rule that changed starts afresh. A device's last values
are kept by position, and only for the very points that they were read for.
"""

from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

import msgspec

from alarms.instance import Instance, Phase, Watchlist
from alarms.timed import Flat, Runs, Starts, Timed
from alarms.watch import Count, Missing, Rate, Watch


class KeptWatch(msgspec.Struct, array_like=True):
    """A condition: whether it held, and what its kind needs."""

    point: str
    holds: bool | None = None
    turns: list[tuple[int, float]] = []  # a rate's window; newest starts
    baseline: float | None = None  # a counter's last value; where a flat value stands
    fresh: int = 0
    since_ms: int | None = None  # of what time changes
    blind_ms: int | None = None
    ripe_ms: int | None = None
    due_ms: int | None = None
    scan_ms: int = 0
    total_ms: int = 0  # run until now


class KeptInstance(msgspec.Struct, array_like=True):
    """One rung of a rule on one machine."""

    owner: str
    rule: str
    version: str
    watches: list[KeptWatch]
    phase: int
    since_ms: int
    due_ms: int | None
    scan_ms: int
    device: str
    raised_ms: int
    cleared_ms: int
    recheck: bool
    rung: int = 0


class KeptDevice(msgspec.Struct, array_like=True):
    """What is known of a device."""

    newest_ms: int
    late_since_ms: int | None
    silent: bool
    odd: bool
    points: int = 0  # checksum of the points that `last` speaks of
    last: bytes = b""  # the last good values as doubles, where rules look at them one by one


class Kept(msgspec.Struct):
    """All of it."""

    devices: dict[str, KeptDevice]
    instances: list[KeptInstance]
    late: int = 0


class _Keeping(msgspec.Struct):
    """The same, its instances as bytes already."""

    devices: dict[str, KeptDevice]
    instances: list[msgspec.Raw]
    late: int


class Seen(NamedTuple):
    """What is known of a device at a moment; `last` only where somebody will want to know what was last seen."""

    here: Watchlist
    newest_ms: int
    late_since_ms: int | None
    silent: bool
    odd: bool
    last: bytes | None  # image


_DECODER = msgspec.msgpack.Decoder(Kept)


def seen(lists: Iterable[Watchlist]) -> list[Seen]:
    """Return what is known of these devices now."""
    return [
        Seen(h, h.newest_ms, h.late_since_ms, h.silent, h.odd, h.last if h.watches or h.missing else None)
        for h in lists
        if h.newest_ms >= 0 or h.odd
    ]


def pack(instances: Iterable[bytes], devices: Iterable[Seen], late: int) -> bytes:
    """Return the memory of these instances (each as `keep` gave it) and devices; in any thread."""
    known = {one.here.device: _kept_device(one) for one in devices}
    return msgspec.msgpack.encode(_Keeping(known, list(map(msgspec.Raw, instances)), late))


def unpack(memory: bytes) -> Kept:
    """Return what the bytes say.

    Raises:
        ValueError: they are no such memory.
    """
    try:
        return _DECODER.decode(memory)
    except msgspec.MsgspecError as why:
        raise ValueError(f"This is no rule memory: {why}") from why


def fits(instance: Instance, kept: KeptInstance) -> bool:
    """Say whether the memory is of this very rule, looking at these very points."""
    same_rule = kept.version == instance.rule.version
    return same_rule and [w.point for w in kept.watches] == [w.point for w in instance.watches]


def restore_device(here: Watchlist, kept: KeptDevice) -> None:
    """Set a device's part back."""
    here.newest_ms = kept.newest_ms
    here.late_since_ms = kept.late_since_ms
    here.silent = kept.silent
    here.odd = kept.odd
    if kept.last and kept.points == _checksum(here) and len(kept.last) == 8 * here.size:
        here.last = kept.last


def restore_instance(instance: Instance, kept: KeptInstance) -> None:
    """Set a rule's part back; its bands open, so that it looks at the next values."""
    instance.phase = Phase(kept.phase)
    instance.since_ms, instance.due_ms = kept.since_ms, kept.due_ms
    instance.scan_ms, instance.device = kept.scan_ms, kept.device
    instance.raised_ms, instance.cleared_ms = kept.raised_ms, kept.cleared_ms
    instance.recheck = kept.recheck
    for here in instance.lists:
        parts = (part for watch in instance.watches for part in watch.parts)
        here.reset_bands(p.position for p in parts if p.device == here.device and p.position >= 0)
    for watch, then in zip(instance.watches, kept.watches, strict=True):
        watch.holds = bool(then.holds) if isinstance(watch, Missing) else then.holds
        if isinstance(watch, Rate):
            watch.turns.extend(then.turns)
        if isinstance(watch, Count):
            watch.baseline, watch.fresh = then.baseline, then.fresh
        if isinstance(watch, Timed):
            _restore_timed(watch, then)


def _restore_timed(watch: Timed, then: KeptWatch) -> None:
    watch.since_ms, watch.blind_ms = then.since_ms, then.blind_ms
    watch.ripe_ms, watch.due_ms, watch.scan_ms = then.ripe_ms, then.due_ms, then.scan_ms
    match watch:
        case Flat():
            watch.anchor = then.baseline
            watch.restore_band()
        case Runs():
            watch.total_ms = then.total_ms
        case Starts():
            watch.before = then.baseline
            watch.newest.extend(at_ms for at_ms, _ in then.turns)


def keep(instance: Instance) -> bytes:
    """Return what is remembered of one rule on one machine."""
    return msgspec.msgpack.encode(_kept(instance))


def _kept(instance: Instance) -> KeptInstance:
    normal = instance.phase is Phase.NORMAL
    all_needed = instance.form.needed == len(instance.watches)
    resting = normal and not instance.recheck and not instance.counts and all_needed
    return KeptInstance(
        instance.owner,
        instance.rule.id,
        instance.rule.version,
        [_kept_watch(w, resting=resting) for w in instance.watches],
        instance.phase,
        0 if normal else instance.since_ms,
        instance.due_ms,
        0 if normal else instance.scan_ms,
        "" if normal else instance.device,
        instance.raised_ms,
        instance.cleared_ms,
        instance.recheck,
        instance.rung,
    )


def _kept_device(seen: Seen) -> KeptDevice:
    kept = KeptDevice(seen.newest_ms, seen.late_since_ms, seen.silent, seen.odd)
    if seen.last is not None:
        kept.points, kept.last = _checksum(seen.here), seen.last
    return kept


def _checksum(here: Watchlist) -> int:
    if here.checksum is None:  # a checkpoint asks for it every ten seconds, and it never changes
        here.checksum = crc32("\n".join(here.points).encode())
    return here.checksum


def _kept_watch(watch: Watch, *, resting: bool) -> KeptWatch:
    # Of a condition that does not hold, in a rule at rest, nothing is asked before its next value. (Events that come
    # meanwhile ask: they are told or dropped by whether the rest of their rule holds. Where one of several is enough,
    # the others' last word is asked for, too.)
    kept = KeptWatch(watch.point) if resting and not watch.holds else KeptWatch(watch.point, watch.holds)
    if isinstance(watch, Rate):
        kept.turns = list(watch.turns)
    if isinstance(watch, Count):
        kept.baseline, kept.fresh = watch.baseline, watch.fresh
    if isinstance(watch, Timed):
        kept.holds = watch.holds
        _keep_timed(watch, kept)
    return kept


def _keep_timed(watch: Timed, kept: KeptWatch) -> None:
    kept.since_ms, kept.blind_ms = watch.since_ms, watch.blind_ms
    kept.ripe_ms, kept.due_ms, kept.scan_ms = watch.ripe_ms, watch.due_ms, watch.scan_ms
    match watch:
        case Flat():
            kept.baseline = watch.anchor
        case Runs():
            kept.total_ms = watch.total_ms
        case Starts():
            kept.baseline = watch.before
            kept.turns = [(at_ms, 1.0) for at_ms in watch.newest]
