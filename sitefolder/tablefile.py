"""A vendor's table as rows of text: CSV in the encodings that are met, or the first sheet of an XLSX that fits."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from sitefolder.finding import WordError

Rows = list[tuple[int, list[str]]]
"""Row number as the spreadsheet shows it, and its cells."""

MOST_ROWS = 20_000
MOST_BYTES = 20_000_000


def rows_of(path: Path, wanted: Callable[[Rows], bool]) -> Rows:
    """Return the rows of a table.

    Args:
        path: an .xlsx or .csv file.
        wanted: says whether a sheet is the table; of a book of several sheets the first such is taken.

    Raises:
        WordError: it cannot be read, and why.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WordError("文件超过 20 MB", "the file is larger than 20 MB")
        sheets = [_csv(path.read_bytes())] if path.suffix.lower() in {".csv", ".txt", ".tsv"} else _xlsx(path)
    except OSError as error:
        raise WordError(f"读不出来：{error.strerror}", f"cannot be read: {error.strerror}") from error
    return next((sheet for sheet in sheets if wanted(sheet)), sheets[0] if sheets else [])


def _csv(content: bytes) -> Rows:
    for encoding in ("utf-8-sig", "gb18030"):  # spreadsheets in Chinese save the second
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise WordError("不是 UTF-8，也不是 GB18030", "is neither UTF-8 nor GB18030")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        return _numbered([list(row) for row in csv.reader(io.StringIO(text), delimiter=delimiter)])
    except csv.Error as error:
        raise WordError(f"CSV 有误：{error}", f"is no proper CSV: {error}") from error


def _xlsx(path: Path) -> list[Rows]:
    if path.suffix.lower() != ".xlsx":
        raise WordError("只读 .xlsx 和 .csv，旧 .xls 请另存为 .xlsx", "only .xlsx and .csv; save an old .xls as .xlsx")
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise WordError("不是可读的 .xlsx 文件", "is not an .xlsx file that can be read") from error
    try:
        return [_numbered([[_text(c) for c in row] for row in s.iter_rows(values_only=True)]) for s in book.worksheets]
    finally:
        book.close()


def _numbered(rows: Sequence[list[str]]) -> Rows:
    if len(rows) > MOST_ROWS:
        raise WordError(f"超过 {MOST_ROWS} 行", f"has more than {MOST_ROWS} rows")
    return [(n, [c.strip() for c in row]) for n, row in enumerate(rows, 1) if any(c.strip() for c in row)]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else f"{cell:.12g}"
    return str(cell)
