"""`dutyroom verify`, `backup` and `restore`: what was recorded is whole, is copied, and comes back."""

from pathlib import Path
from typing import Annotated

import typer

from dutyroom import __version__
from dutyroom.terminal import DataOption, fail, plainly


def verify(
    data: Annotated[Path, typer.Argument(help="The data folder of a site, or a log book file.")],
) -> None:
    """Check the hash chain of a log book: nothing was changed, nothing was taken out."""
    from stores.logbook import LogBook

    path = data / "logbook.db" if data.is_dir() else data
    if not path.exists():
        fail(f"找不到值班记录 {path}。There is no log book at {path}.", 2)
    with plainly():
        book = LogBook.reader(path)
        verdict = book.verify()
        book.close()
    print(verdict.text.zh)
    print(verdict.text.en)
    raise typer.Exit(0 if verdict.ok else 1)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make (a tar); its folder may be on another disk.")],
    data: DataOption = Path(".data/site"),
    site: Annotated[Path | None, typer.Option("--site", help="The site folder, to be taken along.")] = None,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Take the secret behind phone links and secrets.toml along: lock it away.")
    ] = False,
) -> None:
    """Copy a data folder into one file while the service runs; read back before it says done."""
    from dutyroom.clock import SystemClock
    from stores.backup import back_up

    with plainly():
        made = back_up(data, file, SystemClock().now(), __version__, site=site, secrets=secrets)
    size = sum(part.bytes for part in made.files.values()) / 1e6
    print(f"已备份并核对 {len(made.files)} 个文件，{size:.1f} MB；值班记录到第 {made.seq} 条，{made.head}")
    print(f"Backed up and verified: {len(made.files)} files, {size:.1f} MB; log book up to {made.seq}, {made.head}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `dutyroom backup` made.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder to make: new, or empty.")],
    site: Annotated[
        Path | None, typer.Option("--site", help="Where to put the site folder, if the file has one: new, or empty.")
    ] = None,
) -> None:
    """Make a data folder from a backup; pages that waited in it wait for a person."""
    from dutyroom.clock import SystemClock
    from stores.restore import restore as run

    with plainly():
        made = run(file, data, SystemClock().now(), site=site)
    print(f"已恢复到 {data}：{made.site}，值班记录到第 {made.seq} 条。启动后，未完事件的呼叫要有人在控制台决定。")
    print(
        f"Restored to {data}: {made.site}, log book up to {made.seq}."
        " After the start, somebody must decide in the console about pages of open incidents."
    )
