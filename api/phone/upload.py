"""A photo on its way in: a multipart form, read after its link was found good, bounded in size, time and number."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request

from facility.text import Text
from stores.photo import LARGEST

AROUND = 64 * 1024
"""Bytes of a form beside its photo."""
SECONDS = 300.0
"""A photo as the camera made it takes minutes at 400 kbit/s; with its script the page makes it small first."""
AT_ONCE = 4
"""Photos that are being read at one time; each may hold 10 MB."""

_BOUNDARY = re.compile(r'boundary="?([A-Za-z0-9\'()+_,./:=? -]{1,70})"?')
_NAME = re.compile(rb'name="([a-z_]{1,20})"')
_FIELDS = 20

TOO_BIG = Text("照片超过 10 MB，未保存。请换一张小一些的。", "The photo is bigger than 10 MB and was not kept.")
TOO_SLOW = Text(
    "照片没能及时传完，未保存。请走到信号好的地方再试。", "The photo did not arrive in time. Try with a better signal."
)
BUSY = Text("正在接收其他照片，请稍后再试。", "Other photos are being received. Try again in a moment.")
NO_PHOTO = Text("没有收到照片。请先选照片，再按“上传”。", "No photo came. Choose one first, then press “Upload”.")


class UploadError(Exception):
    """Nothing was kept; `status` and `words` say why."""

    def __init__(self, status: int, words: Text) -> None:
        super().__init__(words.en)
        self.status, self.words = status, words


@dataclass(frozen=True, slots=True)
class Upload:
    """The fields of the form and the bytes of its photo."""

    fields: Mapping[str, str]
    photo: bytes


class Uploads:
    """Reads the photos that come in, a few at a time."""

    def __init__(self) -> None:
        self._reading = 0

    async def read(self, request: Request) -> Upload:
        """Return what a form holds.

        Raises:
            UploadError: it is too big, too slow, one too many, or holds no photo.
        """
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST + AROUND:
            raise UploadError(413, TOO_BIG)
        if self._reading >= AT_ONCE:
            raise UploadError(503, BUSY)
        self._reading += 1
        try:
            async with asyncio.timeout(SECONDS):
                body = await _body(request)
        except TimeoutError:
            raise UploadError(408, TOO_SLOW) from None
        finally:
            self._reading -= 1
        boundary = _BOUNDARY.search(request.headers.get("content-type", ""))
        if boundary is None:
            raise UploadError(422, NO_PHOTO)
        parts = dict(_parts(body, boundary[1].strip().encode()))
        photo = parts.pop("photo", b"")
        if not photo:
            raise UploadError(422, NO_PHOTO)
        if len(photo) > LARGEST:
            raise UploadError(413, TOO_BIG)
        return Upload({name: value[:2000].decode(errors="replace") for name, value in parts.items()}, photo)


async def _body(request: Request) -> bytearray:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST + AROUND:
            raise UploadError(413, TOO_BIG)
    return body


def _parts(body: bytearray, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each part (RFC 7578); what is no part of ours is passed over."""
    for part in body.split(b"--" + boundary)[1 : _FIELDS + 1]:
        head, gap, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if gap and name:
            yield name[1].decode(), bytes(content.removesuffix(b"\r\n"))
