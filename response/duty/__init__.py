"""Who is on duty, qualified and reachable at a moment: roster, changes, leaves and certificates as arithmetic."""

from response.duty.ahead import CALENDAR, CERTIFICATE, HOLE, UNTESTED, Ahead, ahead, calendar_text
from response.duty.choosing import CONTRACTOR, DEPUTY, HOLDER, Choice, certified, choose, party_of
from response.duty.expiring import Expiring, expiring
from response.duty.holes import Hole, holes, leaderless, plainly
from response.duty.presence import ALWAYS, OFF, Span, called_for, local_day, now_and_next, on_duty, roles, spans

__all__ = [
    "ALWAYS",
    "CALENDAR",
    "CERTIFICATE",
    "CONTRACTOR",
    "DEPUTY",
    "HOLDER",
    "HOLE",
    "OFF",
    "UNTESTED",
    "Ahead",
    "Choice",
    "Expiring",
    "Hole",
    "Span",
    "ahead",
    "calendar_text",
    "called_for",
    "certified",
    "choose",
    "expiring",
    "holes",
    "leaderless",
    "local_day",
    "now_and_next",
    "on_duty",
    "party_of",
    "plainly",
    "roles",
    "spans",
]
