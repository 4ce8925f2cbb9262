"""One instance per data folder."""

import os
import signal
import subprocess
import sys

import pytest

from stores.errors import StoreInUseError
from stores.lock import InstanceLock

HOLD = "import sys; from pathlib import Path; from stores.lock import InstanceLock\nl = InstanceLock(Path(sys.argv[1])); l.acquire(); print('held', flush=True); sys.stdin.read()"


def test_a_second_instance_is_refused_and_told_who_holds_the_folder(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreInUseError) as refused:
            InstanceLock(tmp_path).acquire()
        assert refused.value.pid == holder.pid
        assert str(holder.pid) in refused.value.text.zh
        assert str(holder.pid) in refused.value.text.en
        assert "UTC" in refused.value.text.en
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert (tmp_path / "instance.lock").exists()
        with InstanceLock(tmp_path):
            assert (tmp_path / "instance.lock").read_text() == f"{os.getpid()}\n"
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        holder.stdin.close()


def test_two_locks_in_one_process_exclude_each_other_too(tmp_path):
    first, second = InstanceLock(tmp_path / "new"), InstanceLock(tmp_path / "new")
    first.acquire()
    first.acquire()
    with pytest.raises(StoreInUseError):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


@pytest.mark.parametrize("content", [b"", b"4711\n", b"\xff\xfe garbage", b"x" * 9000])
def test_a_file_left_behind_is_no_obstacle_whatever_it_says(tmp_path, content):
    (tmp_path / "instance.lock").write_bytes(content)
    with InstanceLock(tmp_path):
        pass
