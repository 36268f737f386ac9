"""The words that people read: every msgid in our code and templates, and what the catalogues make of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
APPS = ("sync", "members", "loyalty", "orders", "config")
FUNCTIONS = {  # of django.utils.translation: which arguments are texts, and which one is their context
    **dict.fromkeys(["gettext", "gettext_lazy", "gettext_noop"], (slice(0, 1), None)),
    **dict.fromkeys(["ngettext", "ngettext_lazy"], (slice(0, 2), None)),
    **dict.fromkeys(["pgettext", "pgettext_lazy"], (slice(1, 2), 0)),
}
CONTEXT_ENDS = "\x04"  # as in compiled catalogues
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
    """What a file hands to gettext and its like as literals, under whatever name it imported them."""
    tree = ast.parse(path.read_text("utf-8"))
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            names |= {each.asname or each.name: FUNCTIONS[each.name] for each in node.names if each.name in FUNCTIONS}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names:
            texts, context = names[call.func.id]
            before = f"{call.args[context].value}{CONTEXT_ENDS}" if context is not None else ""
            yield from (before + each.value for each in call.args[texts] if isinstance(each, ast.Constant))


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
    return {_named(each): each.string for each in messages if each.id}


def _named(message) -> str:
    text = message.id if isinstance(message.id, str) else message.id[0]
    return f"{message.context}{CONTEXT_ENDS}{text}" if message.context else text
