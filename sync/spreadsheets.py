"""Spreadsheets that people bring, read as rows of text: CSV in UTF-8 or GBK, and the first sheet of an .xlsx.

An .xlsx is a zip of XML from a stranger: only its own parts are opened, each up to a bound however far it expands,
and no document type is allowed in them.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree as Xml

from django.utils.translation import gettext_lazy as _

LONGEST = 8 * 1024 * 1024  # bytes of a file
EXPANDED = 64 * 1024 * 1024  # bytes of one part of an .xlsx
MOST_TAGS = 2_000_000  # in one part: each becomes an object many times its size
WIDEST = 64  # columns that are looked at
EXACT = 15  # digits that a spreadsheet keeps of a number
NUMBER = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

Row = tuple[int, list[str]]  # the number of the line, its cells


class BadFile(Exception):
    """A file that cannot be read as a table at all."""


def rows(content: bytes) -> Iterator[Row]:
    """The lines of a spreadsheet that hold anything, with their numbers. Raises BadFile, now or while it is read."""
    if len(content) > LONGEST:
        raise BadFile(_("The file is too big"))
    found = _of_xlsx(content) if content.startswith(b"PK\x03\x04") else of_csv(text_of(content))
    return (row for row in found if any(cell.strip() for cell in row[1]))


def text_of(content: bytes) -> str:
    """A text file in UTF-8 (with or without its mark) or GBK. Raises BadFile."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding).replace("\0", "")
        except UnicodeDecodeError:
            continue
    raise BadFile(_("The file is neither in UTF-8 nor in GBK"))


def of_csv(text: str) -> Iterator[Row]:
    """Rows with the number of the line each begins on. Raises BadFile."""
    delimiter = max(",\t;", key=text.partition("\n")[0].count)
    reader, begins = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1
    try:
        for row in reader:
            yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise BadFile(_("This is not a CSV file")) from error


def _of_xlsx(content: bytes) -> Iterator[Row]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            texts = [_text(each) for each in _part(book, "xl/sharedStrings.xml", is_required=False)]
            sheet = _part(book, _first_sheet(book))
    except (zipfile.BadZipFile, Xml.ParseError, LookupError, ValueError, NotImplementedError, EOFError) as error:
        raise BadFile(_("This is not an Excel file (.xlsx)")) from error
    for place, row in enumerate((each for each in sheet.iter() if _name(each) == "row"), start=1):
        number = row.get("r", "")
        yield (int(number) if number.isdecimal() else place), _cells(row, texts)


def _part(book: zipfile.ZipFile, name: str, *, is_required: bool = True) -> Xml.Element:
    """One part of a book, as far as it may expand. Raises BadFile, LookupError, ParseError."""
    if not is_required and name not in book.namelist():
        return Xml.Element("none")
    with book.open(name) as part:
        content = part.read(EXPANDED + 1)
    if len(content) > EXPANDED or content.count(b"<") > MOST_TAGS:
        raise BadFile(_("The file is too big"))
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or (not content.isascii() and _is_wide(content)):
        raise BadFile(_("This is not an Excel file (.xlsx)"))
    return Xml.fromstring(content)  # noqa: S314 - bounded above, and without a document type


def _is_wide(content: bytes) -> bool:
    """Whether it is in another encoding than UTF-8, in which more could hide."""
    content.decode("utf-8")  # raises a ValueError where it is not
    return False


def _first_sheet(book: zipfile.ZipFile) -> str:
    """Where the first sheet lies."""
    sheets = [each for each in _part(book, "xl/workbook.xml").iter() if _name(each) == "sheet"]
    ways = {each.get("Id"): each.get("Target", "") for each in _part(book, "xl/_rels/workbook.xml.rels")}
    target = ways[sheets[0].get(NUMBER)] if sheets else ""
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _cells(row: Xml.Element, texts: list[str]) -> list[str]:
    found: list[str] = []
    for cell in row:
        column = _column(cell.get("r", ""))
        if column is not None and column >= WIDEST:
            break
        found += [""] * ((len(found) if column is None else column) - len(found))
        found.append(_value(cell, texts))
    return found


def _value(cell: Xml.Element, texts: list[str]) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _text(cell)
    text = next((each.text or "" for each in cell if _name(each) == "v"), "")
    if kind == "s":
        return texts[int(text)] if text.isdecimal() and int(text) < len(texts) else ""
    return _number(text) if kind == "n" else text


def _number(text: str) -> str:
    """A number as people typed it; one that a spreadsheet no longer knows to its last digit stays as it is written."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    is_whole = value.is_finite() and abs(value) < 10**EXACT and value == value.to_integral_value()
    return str(int(value)) if is_whole else text if abs(value) < 10**EXACT else f"{value:E}"


def _text(element: Xml.Element) -> str:
    """All the text of a string, its phonetic reading left out."""
    found, ahead = [], [element]
    while ahead:
        each = ahead.pop()
        if _name(each) == "rPh":
            continue
        found.append((each.text or "") if _name(each) == "t" else "")
        ahead += reversed(list(each))
    return "".join(found)


def _name(element: Xml.Element) -> str:
    return element.tag.rpartition("}")[2]


def _column(reference: str) -> int | None:
    """C7 → 2; None where a cell does not say where it is."""
    letters = reference.rstrip("0123456789")
    if not letters.isascii() or not letters.isalpha() or len(letters) > 3:
        return None
    place = 0
    for letter in letters.upper():
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1
