"""Files under the hash of their bytes."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.errors import StoreDamagedError
from stores.files import JPEG, PDF, PNG, PROGRAM, TEXT, FileRefusedError, FileStore, media_type

PHOTO = b"\xff\xd8\xff\xe0" + bytes(100)


@pytest.fixture
def files(tmp_path):
    return FileStore(tmp_path / "files", largest=1000)


def test_what_was_put_comes_back_and_stands_under_its_hash(files):
    id = files.put(PHOTO)
    assert id == sha256(PHOTO).hexdigest()
    assert files.get(id) == PHOTO
    assert files.has(id)


def test_the_same_bytes_are_kept_once(files):
    assert files.put(PHOTO) == files.put(PHOTO)
    assert len([p for p in files.folder.rglob("*") if p.is_file()]) == 1


def test_erased_bytes_are_gone(files):
    id = files.put(PHOTO)
    assert files.erase(id)
    assert not files.erase(id)
    assert not files.has(id)
    with pytest.raises(KeyError):
        files.get(id)


def test_changed_bytes_are_never_handed_out(files):
    id = files.put(PHOTO)
    (files.folder / id[:2] / id[2:]).write_bytes(PHOTO + b"x")
    with pytest.raises(StoreDamagedError):
        files.get(id)


@pytest.mark.parametrize("data", [b"", PHOTO + bytes(1000), b"MZ\x90\0", b"<svg onload=alert(1)>", b"GIF89a\0"])
def test_what_may_not_be_kept_is_refused(files, data):
    with pytest.raises(FileRefusedError):
        files.put(data)
    assert not files.folder.exists() or not any(files.folder.rglob("*"))


def test_plans_and_configuration_are_text(files):
    text = "name = '困人救援'".encode()
    assert files.get(files.put(text, PROGRAM)) == text
    with pytest.raises(FileRefusedError):
        files.put(PHOTO, PROGRAM)


@pytest.mark.parametrize("id", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "/x"])
def test_a_name_that_is_no_hash_leads_nowhere(files, id):
    assert not files.has(id)
    assert not files.erase(id)
    with pytest.raises(KeyError):
        files.get(id)


@pytest.mark.parametrize(
    ("data", "type_"),
    [
        (PHOTO, JPEG),
        (b"\x89PNG\r\n\x1a\n...", PNG),
        (b"%PDF-1.7", PDF),
        ("一".encode(), TEXT),
        (b"\xff\xfe\x00", None),
        (b"\xc3\x28", None),
    ],
)
def test_the_type_is_told_by_the_bytes(data, type_):
    assert media_type(data) == type_


@given(st.binary(max_size=200))
def test_any_bytes_are_kept_whole_or_refused(tmp_path_factory, data):
    files = FileStore(tmp_path_factory.getbasetemp() / "any")
    try:
        id = files.put(data, frozenset({JPEG, PNG, PDF, TEXT}))
    except FileRefusedError:
        return
    assert files.get(id) == data
