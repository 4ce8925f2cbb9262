"""What happened in the demo before it began is over when it begins."""

from building import demo_site, ms

from facility.records import Kind
from response.plans.outofservice import may_release, signatories
from simulators.past import incidents


def test_every_incident_of_the_past_is_closed_and_no_machine_is_still_held() -> None:
    for records, over in incidents(demo_site(), ms("08:00")):
        kinds = [r.kind for r in records]
        assert kinds.count(Kind.INCIDENT_CLOSED) == kinds.count(Kind.INCIDENT_OPENED) == 1, records[0].subject
        assert kinds.count(Kind.EQUIPMENT_HELD) == kinds.count(Kind.EQUIPMENT_RELEASED)
        assert {r.subject for r in records if r.subject.split(":")[0] in {"incident", "held"}} <= set(over)


def test_a_machine_whose_card_names_nobody_is_released_by_the_supervisor_alone() -> None:
    site = demo_site()
    may = {p.id for p in site.people.values() if may_release(site, "pit-1", p.id)}
    assert may == {p.id for p in site.people.values() if "engineering-supervisor" in p.roles} != set()
    assert [text.en for text in signatories(site, "pit-1")] == ["engineering supervisor"]
    assert not [p for p in site.people.values() if may_release(site, "lift-1a", p.id) and p.roles == ("guard",)]
