"""An encrypted broker: who proves who they are, and what is said when somebody cannot."""

import shutil

import pytest
from certificates import OPENSSL, Authority
from collected import Running, library, until
from mqtt_brokers import MOSQUITTO, Mosquitto

from collectors.mqtt.line import Manner
from collectors.mqtt.message import encode
from facility.equipment import Device, Line, Tls

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (MOSQUITTO and OPENSSL), reason="mosquitto or openssl is not installed"),
]
PROFILES = library()
A = PROFILES["lift-gateway-json-a"]
QUICK = Manner(v5_wait_ms=2_000, connect_ms=2_000, keepalive_s=5, reconnect_ms=(30, 60, 120), tick_ms=10)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def broker(tmp_path, authority, request):
    """Mosquitto with the server certificate that the test names, and asking for ours where it says so."""
    how = getattr(request, "param", {})
    crt, key = authority.sign("server", how.get("host", "127.0.0.1"), days=how.get("days", 2))
    lines = f"cafile {authority.ca}\ncertfile {crt}\nkeyfile {key}\n"
    if how.get("asks"):
        lines += "require_certificate true\nuse_identity_as_username true\n"
    broker = await Mosquitto(tmp_path, lines).start()
    yield broker
    await broker.stop()


def running(broker, tls):
    channels = tuple(A.mqtt.fields)
    device = Device("l1", A.id, "broker", 60_000, channels, tuple(f"l1/{c}" for c in channels), topic="l1")
    return Running([Line("broker", "mqtt", "127.0.0.1", broker.port, tls=tls)], [device], PROFILES, manner=QUICK)


async def remark(run):
    await until(lambda: run.status("broker").remarks)
    assert not run.status("broker").connected
    said = run.status("broker").remarks[0]
    assert said.zh
    return said.en


async def test_the_server_proves_who_it_is_and_messages_come(broker, authority):
    async with running(broker, Tls(ca=authority.ca)) as run:
        await until(lambda: run.status("broker").connected)
        line = run.collectors._lines["broker"]
        payload = encode(A.mqtt, A.mqtt.messages[0], {"floor": 3.0}, at_ms=run.clock.now(), seq=1)
        await until(lambda: line.publish("lift/l1/live", payload) and run.sink.scans)
        assert run.sink.scans[0].seq == 1
        assert run.status("broker").remarks == ()


@pytest.mark.parametrize("broker", [{"asks": True}], indirect=True)
async def test_a_broker_that_asks_for_our_certificate_gets_it(broker, authority):
    crt, key = authority.sign("dutyroom")
    async with running(broker, Tls(authority.ca, crt, key)) as run:
        await until(lambda: run.status("broker").connected)


@pytest.mark.parametrize("broker", [{"asks": True}], indirect=True)
@pytest.mark.parametrize("days", [None, -1])
async def test_without_one_or_with_one_that_ran_out_it_is_said_that_ours_is_not_accepted(broker, authority, days):
    own = authority.sign("late", days=days) if days else ("", "")
    async with running(broker, Tls(authority.ca, *own)) as run:
        assert "does not accept our certificate" in await remark(run)


@pytest.mark.parametrize("broker", [{"days": -1}], indirect=True)
async def test_a_server_certificate_that_ran_out_is_not_trusted(broker, authority):
    async with running(broker, Tls(ca=authority.ca)) as run:
        assert "has expired" in await remark(run)


@pytest.mark.parametrize("broker", [{"host": "elsewhere.site"}], indirect=True)
async def test_a_certificate_for_another_host_is_not_trusted_unless_its_name_is_the_one_we_were_told(broker, authority):
    async with running(broker, Tls(ca=authority.ca)) as run:
        assert "is not for 127.0.0.1" in await remark(run)
    async with running(broker, Tls(ca=authority.ca, server_name="elsewhere.site")) as run:
        await until(lambda: run.status("broker").connected)


async def test_a_certificate_that_nobody_we_know_signed_is_not_trusted(broker, tmp_path):
    other = Authority(tmp_path, "other")
    async with running(broker, Tls(ca=other.ca)) as run:
        assert "nobody we trust" in await remark(run)


async def test_a_file_that_is_no_certificate_is_named_and_read_again_at_the_next_attempt(broker, authority, tmp_path):
    ca = tmp_path / "mine.crt"
    ca.write_text("not a certificate")
    async with running(broker, Tls(ca=str(ca))) as run:
        assert "mine.crt cannot be used" in await remark(run)
        shutil.copy(authority.ca, ca)
        await until(lambda: run.status("broker").connected)
        assert run.status("broker").remarks == ()


async def test_a_port_without_tls_is_told(tmp_path):
    plain = await Mosquitto(tmp_path).start()
    try:
        async with running(plain, Tls()) as run:
            await until(lambda: run.collectors._lines["broker"]._failed >= 2)
            assert not run.status("broker").connected
    finally:
        await plain.stop()
