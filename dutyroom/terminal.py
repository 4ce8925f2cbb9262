"""What every command has in common: its arguments, its exit codes, and the one sentence that it ends with."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator


SiteArgument = Annotated[
    Path, typer.Argument(help="The site folder (site.toml, equipment.toml, people.toml, roster.toml).")
]
DataOption = Annotated[Path, typer.Option("--data", help="Where readings and records are kept.")]


@contextmanager
def plainly() -> "Iterator[None]":
    """Turn what a person must act on into one clear sentence and an exit code."""
    from pydantic import ValidationError

    from dutyroom.settings import EXIT_UNWRITABLE, SettingsError
    from sitefolder import SiteError
    from stores.errors import StoreError, StoreUnwritableError

    try:
        yield
    except SiteError as error:
        errors = [f for f in error.findings if f.level == "error"]
        if len(errors) == 1 and not errors[0].place and errors[0].line is None:
            f = errors[0]
            fail(f"{f.file}：{f.text.zh}，服务没有启动。{f.file}: {f.text.en}; the service was not started.")
        for f in errors:
            print(f, file=sys.stderr)
        fail("站点文件有误，服务没有启动。The site folder has errors; the service was not started.")
    except StoreUnwritableError as error:
        fail(str(error), EXIT_UNWRITABLE)
    except SettingsError as error:
        fail(str(error), error.code)
    except StoreError as error:
        fail(str(error))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        fail(
            f"设置有误（命令行或 DUTYROOM_ 环境变量）：{wrong}。"
            f"A setting (option or DUTYROOM_ variable) is wrong: {wrong}.",
            2,
        )
    except OSError as error:
        what = error.filename or "?"
        fail(
            f"系统拒绝 {what}（{error.strerror}）。请检查路径和权限。"
            f"The system refused {what}: {error.strerror or error}. Check path and permissions."
        )


def fail(sentence: str, code: int = 1) -> NoReturn:
    """Say why nothing was done, and end."""
    print(f"dutyroom: {sentence}", file=sys.stderr)
    raise typer.Exit(code)
