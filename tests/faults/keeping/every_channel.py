"""One person with every kind of channel that there is, and a scripted provider that takes whatever is handed to it."""

import json
import socketserver
import threading
from pathlib import Path

from dutyroom.needs import APP_SECRETS, KINDS
from response.pagers import robots
from tests.wire.test_modem import Modem

TAKEN = {
    "errcode": 0, "errmsg": "ok", "access_token": "t", "expires_in": 7200, "expire": 7200, "task_id": 1, "msgid": "m",
    "code": 0, "msg": "ok", "tenant_access_token": "t", "data": {"message_id": "om", "invalid_user_id_list": []},
    "accessToken": "t", "expireIn": 7200, "Code": "OK", "Message": "OK", "BizId": "b", "CallId": "c", "RequestId": "r",
}  # fmt: skip
"""What each provider says of a page it has taken, in one answer."""

HOSTS = {
    "sms": "dysmsapi.aliyuncs.com", "voice": "dyvmsapi.aliyuncs.com", "wecom-app": "qyapi.weixin.qq.com",
    "dingtalk-app": "oapi.dingtalk.com", "feishu-app": "open.feishu.cn", "webhook": "webhook.test",
    **{kind: f"{kind}.test" for kind in robots.DIALECTS},
}  # fmt: skip
"""Where the page of each kind of channel goes; those of the modem and of the mail server have none."""

LOCAL = """
import dutyroom.station
from response.pagers.exchange import Exchange
from urllib.parse import urlsplit
asked = Exchange.ask
def ask(self, method, url, *more):
    parts = urlsplit(url)
    return asked(self, method, f"http://127.0.0.1:PORT/{parts.netloc}{parts.path}?{parts.query}", *more)
Exchange.ask = ask
dutyroom.station.long_lines = lambda *_: []
"""
"""Runs in the service: what is for the internet goes to the scripted provider, under the host it was meant for."""


class Provider:
    """Takes every question over HTTP, every letter over SMTP, and what is said to a modem."""

    def __init__(self) -> None:
        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    length = 0
                    while (head := self.rfile.readline().strip()) != b"":
                        name, _, value = head.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                    self.rfile.read(length)
                    body = json.dumps(TAKEN).encode()
                    self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

        class Mail(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 here\r\n")
                letter = False
                for line in self.rfile:
                    if letter and line != b".\r\n":
                        continue
                    letter = line.upper().startswith(b"DATA")
                    self.wfile.write(b"354 go on\r\n" if letter else b"250 taken\r\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._servers = [Server(("127.0.0.1", 0), kind) for kind in (Talk, Mail)]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.http, self.smtp = (server.server_address[1] for server in self._servers)
        self.modem = Modem()

    @property
    def code(self) -> str:
        return LOCAL.replace("PORT", str(self.http))

    def settle(self, site: Path) -> None:
        """Give the first person of the site every channel, and the site what these need."""
        address = {kind: f"all@1390000000{n}" for n, kind in enumerate(robots.DIALECTS)}
        address |= {"webhook": "http://webhook.test/page", "smtp": "a@b.test"}
        address |= dict.fromkeys(("sms", "voice", "modem"), "13900000009")
        kinds = sorted(KINDS - {"demo"})
        rows = ", ".join(f'{{ kind = "{kind}", address = "{address.get(kind, "zhao")}" }}' for kind in kinds)
        people = site / "people.toml"
        first, marker, others = people.read_text().partition("channels = [")
        people.write_text(f"{first}channels = [{rows}]{others[others.index(chr(10)) :]}" if marker else first)
        with (site / "site.toml").open("a") as file:
            file.write(
                f'[settings]\nsmtp_host = "127.0.0.1"\nsmtp_port = {self.smtp}\nsmtp_from = "d@b.test"\n'
                f'smtp_security = "none"\nmodem = "{self.modem.path}"\naliyun_sms_sign = "s"\n'
                'aliyun_sms_template = "SMS_1"\naliyun_voice_template = "TTS_1"\n'
            )
        secrets = {f"{kind}_all": f"https://{kind}.test/robot" for kind in robots.DIALECTS}
        secrets |= dict.fromkeys(APP_SECRETS.values(), "id secret 7") | {"app_feishu": "id secret"}
        secrets |= {"aliyun_key_id": "i", "aliyun_key_secret": "s"}
        path = site / "secrets.toml"
        path.write_text("".join(f'{name} = "{said}"\n' for name, said in secrets.items()))
        path.chmod(0o600)

    def close(self) -> None:
        self.modem.unplug()
        for server in self._servers:
            server.shutdown()
            server.server_close()
