"""Decides when somebody must be told that a site's service has stopped, is unwell, or that its log book went back."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from dutyroom.heartbeat import Sign
from facility.text import Text

SILENT_MS = 90_000
"""So long without a sign of life (three are missing): somebody is told."""

UNWELL_MS = 90_000
"""So long a service may call itself failing before somebody is told: it starts its own tasks again meanwhile."""

AGAIN_MS = 300_000
"""While nothing changes, it is told again so often."""

WELL, SILENT, UNWELL, WENT_BACK = "well", "silent", "unwell", "went-back"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one site. `since_ms` is when the present state began, `told` how often it was told.

    `heard_ms` is our time of its last sign (of our start, before the first).
    """

    heard_ms: int
    at_ms: int = 0
    seq: int = 0
    head: str = ""
    failing_ms: int = 0
    state: str = WELL
    since_ms: int = 0
    told: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Something to tell people; `key` names it for ever, so that it is told once whatever happens to us."""

    key: str
    site: str
    text: Text


class Watcher:
    """Hears the signs of many sites and says whom to call; pure, times are UTC milliseconds."""

    def __init__(self, sites: Iterable[str], now: int, known: Mapping[str, Mapping[str, object]] | None = None) -> None:
        """Watch these sites from now on; `known` is what `memory` gave before a restart."""
        old = known or {}
        self._known = {site: Known(**{**old.get(site, {}), "heard_ms": now}) for site in sites}  # type: ignore[arg-type]

    def tell(self, sign: Sign, now: int) -> bool:
        """Hear a sign; one that is not newer than the last is no sign (False): somebody repeats it."""
        was = self._known[sign.site]
        if sign.at_ms <= was.at_ms:
            return False
        back = sign.seq < was.seq or (sign.seq == was.seq and was.head not in {"", sign.head})
        failing = (was.failing_ms or now) if sign.status == "failing" else 0
        new = replace(was, heard_ms=now, at_ms=sign.at_ms, seq=sign.seq, head=sign.head, failing_ms=failing)
        if failing:
            new = replace(new, why="; ".join(sign.reasons))
        if back and was.state != WENT_BACK:
            new = replace(new, state=WENT_BACK, since_ms=now, told=0, why=f"{was.seq} -> {sign.seq}")
        self._known[sign.site] = new
        return True

    def decide(self, now: int) -> list[Call]:
        """Return what must be told by now; each call is returned once."""
        out: list[Call] = []
        for site in self._known:
            self._known[site] = self._next(site, self._known[site], now, out)
        return out

    def due(self) -> int:
        """Return when time alone will next change something."""
        return min(self._due(k) for k in self._known.values())

    def memory(self) -> dict[str, dict[str, object]]:
        """Return what a restart must know."""
        return {site: asdict(known) for site, known in self._known.items()}

    def _next(self, site: str, known: Known, now: int, out: list[Call]) -> Known:
        state, since = self._state(known, now)
        if state != known.state:
            told, known = known.told, replace(known, state=state, since_ms=since, told=0)
            if state == WELL and told:
                out.append(self._call(site, known))
        if known.state != WELL and now >= known.since_ms + known.told * AGAIN_MS:
            out.append(self._call(site, known))
            # A book that went back is told once: it does not come again by itself.
            gone = known.state == WENT_BACK
            known = replace(known, state=WELL, since_ms=now) if gone else replace(known, told=known.told + 1)
        return known

    @staticmethod
    def _state(known: Known, now: int) -> tuple[str, int]:
        if known.state == WENT_BACK:
            return WENT_BACK, known.since_ms
        if now >= known.heard_ms + SILENT_MS:
            return SILENT, known.heard_ms + SILENT_MS
        if known.failing_ms and now >= known.failing_ms + UNWELL_MS:
            return UNWELL, known.failing_ms + UNWELL_MS
        return WELL, now

    @staticmethod
    def _due(known: Known) -> int:
        moments = [known.heard_ms + SILENT_MS] if known.state != SILENT else []
        if known.failing_ms and known.state == WELL:
            moments.append(known.failing_ms + UNWELL_MS)
        if known.state != WELL:
            moments.append(known.since_ms + known.told * AGAIN_MS)
        return min(moments)

    @staticmethod
    def _call(site: str, known: Known) -> Call:
        words = _WORDS[known.state]
        text = Text(words.zh.format(site=site, why=known.why), words.en.format(site=site, why=known.why))
        return Call(f"{site}/{known.state}/{known.since_ms}/{known.told}", site, text)


_WORDS = {
    SILENT: Text(
        "【值班室失联】{site} 已 90 秒没有心跳：报警和呼叫可能已停止。请派人到监控室人工值守，查服务器电源和网络。",
        "[Dutyroom silent] {site} has sent no sign of life for 90 s: alarms and pages may have stopped."
        " Send somebody to the monitoring room, watch by hand, check the server's power and network.",
    ),
    UNWELL: Text(
        "【值班室异常】{site} 有任务停滞超过 90 秒：{why}。请登录检查，必要时重启服务。",
        "[Dutyroom unwell] A task of {site} has stood still for more than 90 s: {why}."
        " Log in and look; restart the service if need be.",
    ),
    WENT_BACK: Text(
        "【值班记录倒退】{site} 的值班记录序号或校验值变了（{why}）：可能恢复了旧备份，或被改动。请核对。",
        "[Log book went back] Number or hash of the log book of {site} changed ({why}):"
        " an old backup was restored, or it was tampered with. Please verify.",
    ),
    WELL: Text(
        "【值班室恢复】{site} 心跳恢复正常。",
        "[Dutyroom back] {site} sends signs of life again.",
    ),
}
