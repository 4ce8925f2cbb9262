"""How far a page came: waiting, sent, delivered, opened, answered, or failed; only an answer changes who is called."""

from night_shift import Night, moment

from dutyroom.deliveries import pages_of, record_of
from facility.commands import OpenPage, Refused
from facility.ports import Receipt
from facility.records import Kind


def receipt(night: Night, state: str, who: str, channel: str = "demo", said: str = "") -> None:
    page = next(p for p in night.incident.pages.values() if (p.person, p.channel) == (who, channel))
    for record in record_of(Receipt(state, page.key, said=said), page, night.now):
        night.write(record)
    night.settle()


def looks(night: Night, who: str) -> object:
    return night.does(OpenPage(f"person:{who}", night.request(), night.incident.id, who))


def furthest(night: Night, who: str, channel: str = "demo") -> str:
    pages = [p for p in night.incident.pages.values() if (p.person, p.channel) == (who, channel)]
    return pages[-1].furthest


def test_a_page_goes_from_sent_to_delivered_to_opened_to_acknowledged() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault")
    assert furthest(night, "chen") == "sent"
    receipt(night, "delivered", "chen")
    assert furthest(night, "chen") == "delivered"
    looks(night, "chen")
    assert furthest(night, "chen") == "opened"
    receipt(night, "delivered", "chen")  # a receipt that comes late takes nothing back
    assert furthest(night, "chen") == "opened"
    night.accepts("chen")
    assert furthest(night, "chen") == "acknowledged"


def test_an_opened_page_acknowledges_nothing_and_is_noted_once() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault")
    assert len(looks(night, "chen")) == 1
    assert looks(night, "chen") == []
    night.at("03:04").within("2 min").pages("chen", "li")
    assert not night.incident.accepted


def test_a_read_receipt_is_about_its_own_page_only() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    receipt(night, "opened", "zhao", "sms")
    assert (furthest(night, "zhao", "sms"), furthest(night, "zhao")) == ("opened", "sent")


def test_a_page_that_is_not_delivered_after_all_goes_out_on_the_next_channel_at_once() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").at("03:01")
    receipt(night, "failed", "chen", said="MK:0001 phone off")
    assert [(r.data.person, r.data.channel) for r in night.told(Kind.PAGE_REQUESTED, moment("03:01"))] == [
        ("chen", "sms")
    ]
    page = next(iter(night.incident.pages.values()))
    assert (page.furthest, page.said) == ("failed", "ok · MK:0001 phone off")
    receipt(night, "delivered", "chen")  # and then it was delivered: the word of failure was wrong
    assert furthest(night, "chen") == "delivered"


def test_a_failure_after_the_answer_changes_nothing() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").accepts("chen")
    receipt(night, "failed", "chen")
    assert furthest(night, "chen") == "acknowledged"


def test_whoever_opens_the_link_of_another_is_refused_and_after_the_end_nothing_is_noted() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault")
    command = OpenPage("person:chu", night.request(), night.incident.id, "chen")
    assert isinstance(night.does(command), Refused)


def test_a_receipt_names_its_page_by_key_or_by_the_number_in_the_providers_words() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault")
    open_ = night.incidents.open()
    key = next(iter(night.incident.pages))
    assert [p.key for p in pages_of(Receipt("delivered", key), open_)] == [key]
    assert [p.key for p in pages_of(Receipt("delivered", number="ok"), open_)] == [key]
    assert pages_of(Receipt("delivered", "another"), open_) == []
    assert pages_of(Receipt("delivered"), open_) == []
    page = night.incident.pages[key]
    assert list(record_of(Receipt("teleported", key), page, night.now)) == []
