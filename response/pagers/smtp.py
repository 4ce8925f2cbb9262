"""Pages by e-mail: one message per page, handed to the site's mail server."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

from facility.ports import Message, PageRefusedError
from facility.rule import Priority

TIMEOUT_S = 10.0
WORDS_LIMIT = 300
TAKEN = 250
TAKEN_ELSEWHERE = 251  # "user not local; will forward"


class SmtpPager:
    """Hands pages to one mail server; the queue id it answers with is kept."""

    def __init__(
        self,
        host: str,
        port: int,
        sender: str,
        user: str = "",
        password: str = "",
        starttls: bool = True,  # noqa: FBT001, FBT002 - read from settings, in this order
        timeout_s: float = TIMEOUT_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Take the server; with `starttls` nothing is said before the line is encrypted and the name verified."""
        self._host, self._port, self._sender = host, port, sender
        self._user, self._password, self._starttls = user, password, starttls
        self._timeout_s, self._trust = timeout_s, trust

    async def page(self, message: Message) -> str:
        """Hand the page over; return the server's words."""
        try:
            return await asyncio.to_thread(self._send, message)
        except smtplib.SMTPResponseException as error:
            raise PageRefusedError(_words(error.smtp_code, error.smtp_error)) from error
        except TimeoutError as error:
            raise PageRefusedError(f"no answer within {self._timeout_s:g} s") from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise PageRefusedError(f"{type(error).__name__}: {error}"[:WORDS_LIMIT]) from error

    def _send(self, message: Message) -> str:
        """Run in a thread."""
        mail = letter(message, self._sender)
        with smtplib.SMTP(self._host, self._port, timeout=self._timeout_s) as server:
            if self._starttls:
                server.starttls(context=self._trust or ssl.create_default_context())
            if self._user:
                server.login(self._user, self._password)
            server.ehlo_or_helo_if_needed()
            _must(server.mail(parseaddr(self._sender)[1]))
            _must(server.rcpt(message.address))
            code, said = _must(server.data(mail.as_bytes()))
            words = _words(code, said)
            with suppress(smtplib.SMTPException, OSError):  # it is taken; how they part changes nothing
                server.quit()
        return words


def letter(message: Message, sender: str) -> EmailMessage:
    """Return a page as a letter; its Message-ID is the page's key, so that a repeat can be seen to be one."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = message.address
    mail["Subject"] = f"{message.title} {message.incident}".replace("\n", " ").strip()
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{message.key}@dutyroom.invalid>"
    if message.priority <= Priority.HIGH:
        mail["X-Priority"] = "1"
        mail["Importance"] = "high"
    mail.set_content(f"{message.text}\n\n{message.link}\n" if message.link else f"{message.text}\n")
    return mail


def _must(answer: tuple[int, bytes]) -> tuple[int, bytes]:
    code, said = answer
    if code not in {TAKEN, TAKEN_ELSEWHERE}:
        raise smtplib.SMTPResponseException(code, said)
    return code, said


def _words(code: int, said: bytes | str) -> str:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {words}"[:WORDS_LIMIT]
