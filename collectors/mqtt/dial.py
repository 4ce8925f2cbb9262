"""Reaches a server: its name looked up, connected to, the encryption agreed, all within one span of time.

Every failure is said in both languages: what happened, and what to put right.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facility.equipment import Line, Tls
from facility.text import Text

_HOST_WRONG = 62  # OpenSSL's verify codes: the name in the certificate is not the host's
_IP_WRONG = 64
_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN = frozenset({18, 19, 20, 21, 2})

Made = Callable[[], asyncio.Protocol]


class UnreachedError(Exception):
    """The server was not reached; `why` says it in both languages, and `fix` whether somebody has to act."""

    def __init__(self, why: Text, *, fix: bool = False) -> None:
        super().__init__(why.en)
        self.why = why
        self.fix = fix


class Dialler:
    """Connects to one server, again and again. A look-up that hangs is never waited for twice at once."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._looking: asyncio.Future[str] | None = None
        self._context: tuple[object, ssl.SSLContext] | None = None  # and the files' times it was made of

    async def connect(self, made: Made, within_ms: int) -> asyncio.Transport:
        """Return the transport of a new connection, whose protocol `made` gives.

        Raises:
            UnreachedError: not in time, refused, or the other side could not prove who it is.
        """
        line, loop = self._line, asyncio.get_running_loop()
        where = f"{line.host}:{line.port}"
        shaking = False
        stage = Text(f"域名 {line.host} 解析无应答，检查 DNS", f"no answer for the name {line.host}; check DNS")
        context = await asyncio.to_thread(self._trust, line.tls) if line.tls else None
        try:
            async with asyncio.timeout(within_ms / 1000):
                address = await self._address()
                stage = Text(f"{where} 连接无应答", f"{where} does not answer")
                sock_made = await _tcp(loop, address, line.port)
                stage = Text(
                    f"{where} 不完成 TLS 握手：检查端口是否为 TLS 端口",
                    f"{where} does not finish the TLS handshake; see whether this is its TLS port",
                )
                shaking = context is not None
                name = (line.tls.server_name or line.host) if line.tls else None
                try:
                    transport, _ = await loop.create_connection(made, sock=sock_made, ssl=context, server_hostname=name)
                except BaseException:
                    sock_made.close()
                    raise
                return transport
        except TimeoutError:
            raise UnreachedError(stage, fix=shaking) from None
        except ssl.SSLError as error:
            raise UnreachedError(said(error, line), fix=True) from error
        except (OSError, ValueError) as error:
            raise UnreachedError(Text(f"{where} 连不上：{error}", f"{where} is not reached: {error}")) from error

    async def _address(self) -> str:
        """Return the server's address. The system's look-up cannot be cancelled, so it has a thread of its own."""
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(self._line.host))
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looking = loop.create_future()
            threading.Thread(
                target=_look_up, args=(self._line.host, self._line.port, loop, self._looking), daemon=True
            ).start()
        return await asyncio.shield(self._looking)

    def _trust(self, tls: Tls) -> ssl.SSLContext:
        """Return what the connection is encrypted with, made anew when a file has changed; runs in a thread."""
        stamp = [Path(f).stat().st_mtime_ns for f in (tls.ca, tls.certificate, tls.key) if f and Path(f).exists()]
        if self._context is None or self._context[0] != stamp:
            self._context = stamp, context_of(tls)
        return self._context[1]


def context_of(tls: Tls) -> ssl.SSLContext:
    """Return what a connection is encrypted with.

    Raises:
        UnreachedError: a file is missing or cannot be used.
    """
    file = tls.ca
    try:
        context = ssl.create_default_context(cafile=tls.ca or None)
        if tls.certificate:
            file = tls.certificate
            context.load_cert_chain(tls.certificate, tls.key or None, password=_no_password)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        name = Path(file).name
        raise UnreachedError(
            Text(
                f"证书文件 {name} 读不了（{error}）：检查路径、权限、格式（PEM），以及私钥是否与证书配对",
                f"the certificate file {name} cannot be used ({error}); check path, mode, format (PEM), and whether the"
                " key belongs to the certificate",
            ),
            fix=True,
        ) from error
    return context


def said(error: ssl.SSLError, line: Line) -> Text:
    """Return in words why the other side was not trusted, or did not trust us."""
    tls = line.tls or Tls()
    name = tls.server_name or line.host
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in {_EXPIRED, _NOT_YET}:
            return Text(
                f"服务器 {line.host} 的证书不在有效期内：更换服务器证书，并核对两边的时钟",
                f"the certificate of {line.host} has expired or is not valid yet; renew it, and compare both clocks",
            )
        if error.verify_code in {_HOST_WRONG, _IP_WRONG}:
            return Text(
                f"服务器证书不是发给 {name} 的：核对 host，或在 tls 中写 server_name（证书里的名字）",
                f"the server's certificate is not for {name}; check host, or write the name it is for as server_name",
            )
        if error.verify_code in _UNKNOWN:
            return Text(
                f"服务器 {line.host} 的证书由未知机构签发：在 tls 中写 ca（签发它的根证书）",
                f"nobody we trust signed the certificate of {line.host}; write the certificate that did as ca",
            )
    words = str(error).upper()
    if "CERTIFICATE" in words and "ALERT" in words:
        return Text(
            "服务器不接受本机的客户端证书（缺少、过期或签发机构不对）：检查 tls 的 certificate 和 key",
            "the server does not accept our certificate (none, expired, or signed by another); check certificate and"
            " key of tls",
        )
    return Text(
        f"与 {line.host}:{line.port} 的 TLS 握手失败（{error.reason or error}）：检查端口和协议版本",
        f"the TLS handshake with {line.host}:{line.port} failed ({error.reason or error}); check port and version",
    )


async def _tcp(loop: asyncio.AbstractEventLoop, address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - the standard library wants it so
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _look_up(host: str, port: int, loop: asyncio.AbstractEventLoop, found: "asyncio.Future[str]") -> None:
    """Run in a thread of its own, and never longer than the process."""
    answer: str | OSError
    try:
        answer = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        answer = OSError(str(error))
    with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
        loop.call_soon_threadsafe(_tell, found, answer)


def _tell(found: "asyncio.Future[str]", answer: str | OSError) -> None:
    if isinstance(answer, OSError):
        found.set_exception(answer)
        found.exception()  # whoever asked may have given up: it is not an error nobody looked at
    else:
        found.set_result(answer)


def _no_password(*_: Any) -> str:
    raise ValueError("the key asks for a password; give it without one, mode 0600")
