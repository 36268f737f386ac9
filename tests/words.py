"""The words that people read: every msgid in our code and templates, and what the catalogues make of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
APPS = ("sync", "members", "loyalty", "orders", "config")
CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURALS = {"ngettext", "ngettext_lazy"}
TAG = re.compile(r"""{%\s*trans(?:late)?\s+(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
BLOCK = re.compile(r"{%\s*blocktrans(?:late)?\b([^%]*)%}(.*?){%\s*endblocktrans(?:late)?\s*%}", re.DOTALL)
VARIABLE = re.compile(r"{{\s*([\w.]+)[^}]*}}")


def of_app(app: str) -> set[str]:
    """The msgids used by an app's Python; the roof's templates are config's."""
    found = {word for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts for word in in_python(path)}
    if app == "config":
        found |= {
            word for path in (ROOT / "templates").rglob("*.html") for word in in_template(path.read_text("utf-8"))
        }
    return found


def in_python(path: Path) -> Iterator[str]:
    """What a file hands to gettext and its like, as literals."""
    for call in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        count = 2 if name in PLURALS else 1 if name in CALLS else 0
        yield from (word.value for word in call.args[:count] if isinstance(word, ast.Constant) and word.value)


def in_template(text: str) -> Iterator[str]:
    """What a template translates."""
    for double, single in TAG.findall(text):
        yield (double or single).replace('\\"', '"').replace("\\'", "'")
    for options, inside in BLOCK.findall(text):
        for part in re.split(r"{%\s*plural\s*%}", inside):
            word = VARIABLE.sub(lambda variable: f"%({variable[1]})s", part)
            trimmed = " ".join(line.strip() for line in word.splitlines() if line.strip())
            yield trimmed if "trimmed" in options else word


def catalogue(app: str) -> dict[str, str]:
    """The Chinese of an app."""
    path = ROOT / app / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
    if not path.exists():
        return {}
    with path.open("rb") as po:
        messages = list(read_po(po))
    return {each.id if isinstance(each.id, str) else each.id[0]: each.string for each in messages if each.id}
