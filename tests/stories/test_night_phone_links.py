"""A night on the phone page's links: work passes on, a link is revoked, and a restart forgets none of it."""

from building import Building

from facility.commands import Accept, Arrive, Decline, HandOver, RevokeLinks, UseLink
from facility.records import Kind
from response.phone.relief import may_take


async def entrapment(folder) -> tuple[Building, str]:
    night = await Building.open(folder, "02:13")
    await night.reads("lift-1b", alarm_button=1, doors_closed=1, occupied=1, running=0, door_zone=0, fault_code=71)
    await night.until("02:16")
    return night, night.incident.id


async def test_who_is_relieved_stays_responsible_until_the_other_accepts(tmp_path) -> None:
    night, id = await entrapment(tmp_path)
    plan = night.site.plans[night.incident.plan]
    first = next(who for who, called in night.incident.called.items() if called.responder and who in night.site.people)
    await night.ask(Accept, f"person:{first}", incident=id, person=first, eta_min=5)
    other = next(w for w in may_take(night.incident, plan, night.site, first) if w in night.site.people)
    before = len(night.pages(other))
    await night.ask(HandOver, f"person:{first}", incident=id, person=first, to=other)
    assert len(night.pages(other)) > before
    night = night.again()
    await night.until("02:17")
    assert night.incident.handset.offers == {first: other}
    assert set(night.incident.accepted) == {first}
    await night.ask(Accept, f"person:{other}", incident=id, person=other, request="takes")
    assert set(night.incident.accepted) == {other}
    assert night.incident.handset.handed == {first: other}
    # The one who took over turns back: escalation goes on, it does not rest on who has left.
    await night.ask(Decline, f"person:{other}", incident=id, person=other, request="turns-back")
    assert night.incident.accepted == {}
    rung = len(night.pages())
    await night.until("02:20")
    assert len(night.pages()) > rung
    await night.close()


async def test_a_revoked_link_stays_revoked_after_a_restart_and_the_devices_are_known(tmp_path) -> None:
    night, id = await entrapment(tmp_path)
    who = next(who for who, called in night.incident.called.items() if called.responder and who in night.site.people)
    for device in ("aa", "bb", "aa"):
        await night.ask(UseLink, f"person:{who}", incident=id, person=who, device=device, app="wechat")
    await night.ask(RevokeLinks, "user:operator", incident=id, person=who)
    await night.ask(Arrive, f"person:{who}", incident=id, person=who, via="qr")
    night = night.again()
    assert night.incident.handset.generations == {who: 1}
    assert night.incident.handset.devices == {who: ("aa", "bb")}
    assert [r.data.nth for r in night.records(Kind.LINK_USED)] == [1, 2]
    assert [r.data.via for r in night.records(Kind.RESPONDER_ARRIVED)] == ["qr"]
    await night.close()
