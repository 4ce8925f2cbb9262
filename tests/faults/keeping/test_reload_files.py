"""`dutyroom reload` on the running service: all of it is adopted, or nothing, and no line reconnects."""

from serving import cli, eventually, one_clear_sentence
from small import placed

from facility.records import Kind


def test_a_changed_plan_holds_for_the_next_incident_and_an_error_changes_nothing(tmp_path) -> None:
    """Faults 52 (reload keeps the old one) and 41's neighbour: the file is changed while an incident runs."""
    with placed(tmp_path, repeat="10 min") as place:
        service = place.service.start()
        service.reading("l0")
        place.contact.closed = 1
        eventually(lambda: len(place.keys()) >= 2, 15)
        plan, people = service.site / "plans" / "trial.toml", service.site / "people.toml"
        before = service.health()["lines"][0]

        whole = people.read_text()
        people.write_text(whole.replace("roles", "rolls") + "\n[[persn]]\n")
        said = cli("reload", service.site, "--data", service.data)
        assert said.returncode == 1
        assert said.stderr.count("people.toml") >= 2, "all errors at once, with their places"
        people.write_text(whole)
        assert len(service.records(Kind.CONFIG_ADOPTED)) == 1

        plan.write_text(plan.read_text().replace('en = "Trial"', 'en = "Trial two"').replace("试验", "试验二", 1))
        said = cli("reload", service.site, "--data", service.data)
        assert said.returncode == 0, said.stderr
        assert "plans" in said.stdout
        _, adopted = eventually(lambda: len(r := service.records(Kind.CONFIG_ADOPTED)) == 2 and r, 10)
        assert adopted.actor == "cli"
        assert "plans" in adopted.data.note
        (started,) = service.records(Kind.PLAN_STARTED)
        assert place.service.health()["lines"][0]["reads"] > before["reads"]
        assert place.contact.connections == 1, "no line reconnects"

        place.contact.closed = 0
        eventually(lambda: any(r.data.rule == "trial-fault" for r in service.records(Kind.ALARM_CLEARED)), 15)
        assert [r.data.version for r in service.records(Kind.PLAN_STARTED)] == [started.data.version]

        equipment = service.site / "equipment.toml"
        equipment.write_text(equipment.read_text().replace('interval = "250 ms"', 'interval = "500 ms"'))
        said = cli("reload", service.site, "--data", service.data)
        assert "devices: ~d0" in said.stdout
        head = service.site / "site.toml"
        head.write_text(head.read_text().replace("Asia/Shanghai", "Asia/Tokyo"))
        said = cli("reload", service.site, "--data", service.data)
        assert "timezone" in one_clear_sentence(said)
        assert len(service.records(Kind.CONFIG_ADOPTED)) == 3
        assert place.contact.connections == 1
        assert service.stop()[0] == 0
    one_clear_sentence(cli("reload", service.site, "--data", service.data))
