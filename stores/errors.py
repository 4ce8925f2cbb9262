"""What a store says when it cannot keep its promise: what happened, what it means, what to do."""

from pathlib import Path

from facility.text import Text


class StoreError(Exception):
    """A store needs a person; `text` says so in both languages."""

    def __init__(self, text: Text) -> None:
        super().__init__(f"{text.zh} {text.en}")
        self.text = text


class StoreFullError(StoreError):
    """The disk is full and the reserve is used up; nothing of the refused transaction was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            Text(
                f"磁盘已满，无法写入 {path.name}。新的记录没有保存。请立即清理磁盘，系统会自动重试。",
                f"The disk is full: {path.name} cannot be written, the new entries are not kept."
                " Free space now; writing is tried again by itself.",
            )
        )
        self.path = path


class StoreNewerError(StoreError):
    """The file was written by a newer version of this program."""

    def __init__(self, path: Path, found: int, ours: int) -> None:
        super().__init__(
            Text(
                f"{path.name} 由更新版本的程序写成（格式 {found}，本程序只认识到 {ours}）。"
                "为避免损坏数据，拒绝打开。请安装更新的版本，或恢复升级前的备份。",
                f"{path.name} was written by a newer version of this program (schema {found}, this one knows {ours})."
                " It is not opened, so that nothing is damaged."
                " Install the newer version, or restore the backup made before the upgrade.",
            )
        )
        self.path = path
        self.found = found
        self.ours = ours


class StoreInUseError(StoreError):
    """Another instance holds the data folder; `pid` is its process, or 0 when it cannot be told."""

    def __init__(self, folder: Path, pid: int, since: str) -> None:
        super().__init__(
            Text(
                f"数据目录 {folder} 正由另一个实例使用（进程 {pid or '未知'}，启动于 {since or '未知'}）。"
                "同一目录只能运行一个实例。请先停止它，或另选数据目录。",
                f"The data folder {folder} is in use by another instance"
                f" (process {pid or 'unknown'}, started {since or 'unknown'})."
                " One folder serves one instance. Stop that one first, or choose another data folder.",
            )
        )
        self.folder = folder
        self.pid = pid


class StoreFencedError(StoreError):
    """A later opening of the same book has taken over; this one may not write any more."""

    def __init__(self, path: Path, ours: int, theirs: int) -> None:
        super().__init__(
            Text(
                f"{path.name} 已被另一个实例接管（第 {theirs} 次打开，本实例是第 {ours} 次）。"
                "本实例停止写入。请确认只有一个实例在运行，然后重新启动。",
                f"{path.name} was taken over by another instance (opening {theirs}, this one is {ours})."
                " This instance no longer writes. Make sure that only one runs, then start again.",
            )
        )
        self.path = path


class StoreDamagedError(StoreError):
    """The file cannot be read as what it should be."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            Text(
                f"{path.name} 已损坏（{why}）。请重新启动，系统会修复可修复的内容；仍然失败时请从备份恢复。",
                f"{path.name} is damaged ({why}). Start again, which repairs what can be repaired;"
                " restore a backup when that fails.",
            )
        )
        self.path = path
        self.why = why


class StoreBusyError(StoreError):
    """Another program held the file for longer than we wait; nothing was written, the same call may be repeated."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            Text(
                f"{path.name} 被其他程序占用过久。新的记录尚未保存，系统会自动重试。请检查备份或手工打开的数据库工具。",
                f"{path.name} was held by another program for too long. The new entries are not kept yet; writing is"
                " tried again by itself. Look for a backup or a database tool that has it open.",
            )
        )
        self.path = path


class StoreUnwritableError(StoreError):
    """The system refuses to write the file: read-only, no permission, or the disk fails."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            Text(
                f"{path.name} 无法写入（{why}）。新的记录没有保存。请检查磁盘是否只读、故障，以及目录权限。",
                f"{path.name} cannot be written ({why}). The new entries are not kept."
                " Check whether the disk is read-only or failing, and the folder's permissions.",
            )
        )
        self.path = path
        self.why = why


class StoreForeignError(StoreError):
    """The file is a good one, but not ours: of another site, or of another program."""

    def __init__(self, path: Path, found: str, wanted: str) -> None:
        super().__init__(
            Text(
                f"{path.name} 属于「{found}」，不是「{wanted}」。拒绝打开。请检查数据目录设置。",
                f"{path.name} belongs to {found!r}, not to {wanted!r}, and is not opened."
                " Check the data folder setting.",
            )
        )
        self.path = path
        self.found = found


class HistoryTooLargeError(StoreError):
    """A question about the past would take too long or too much memory; `seconds` is what it may take."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            Text(
                f"历史查询太大：{seconds:.0f} 秒内或限定内存内无法完成，已中止。监视不受影响。"
                "请缩短时间范围或减少点位。",
                f"That question about the past is too large: it was given up after {seconds:.0f} s, or for want of"
                " memory. Monitoring is not affected. Ask for a shorter time or fewer points.",
            )
        )


class HistoryAwayError(StoreError):
    """Nobody answers questions about the past at this moment."""

    def __init__(self) -> None:
        super().__init__(
            Text(
                "历史暂时无法查询：归档进程没有运行或没有回答，系统正在自动重新启动它。监视和报警不受影响，"
                "读数保留在暂存中，没有丢失。请稍后再试；一直如此时请查看服务日志。",
                "History is not available at the moment: the archive's process does not run or does not answer, and is"
                " started again by itself. Monitoring and alarms are not affected, and no reading is lost: they wait in"
                " the spool. Ask again in a moment; if it stays like this, look at the service's log.",
            )
        )


class HistoryBusyError(StoreError):
    """More is being asked about the past than is let in at a time; `limit` questions."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            Text(
                f"历史查询太多：已有 {limit} 个在等待回答。监视不受影响。请稍后再试。",
                f"Too many questions about the past: {limit} are waiting already. Monitoring is not affected."
                " Ask again in a moment.",
            )
        )
