"""Everything that is kept, as bytes: each value of each table as it is, and each key and value of Valkey.

A word is looked for in every shape it could lie there: as text, in bytes, in JSON, in base64 at each of the three
alignments, in hex, percent-encoded, backwards.
"""

import base64
import json
from urllib.parse import quote

import redis
from django.conf import settings
from django.db import connection

from tests import make

ROWS = "SELECT row_to_json(t)::text, t::text FROM {} t"


def tables(names=None) -> dict[str, bytes]:
    """Each table as one text: rows as JSON and as a dump writes them, and binary columns opened."""
    found = {}
    with connection.cursor() as cursor:
        for name in names or make.tables():
            cursor.execute(ROWS.format(connection.ops.quote_name(name)))
            text = "\n".join(part for row in cursor.fetchall() for part in row).encode()
            found[name] = b"\n".join([text, _unescaped(text), _binary(cursor, name)])
    return found


def _unescaped(text: bytes) -> bytes:
    """As it was before JSON and the dump wrote each backslash twice, and twice again."""
    while (less := text.replace(rb"\\", b"\\")) != text:
        text = less
    return text


def _binary(cursor, table: str) -> bytes:
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND atttypid = 'bytea'::regtype AND attnum > 0"
        " AND NOT attisdropped",
        [connection.ops.quote_name(table)],
    )
    columns = [connection.ops.quote_name(name) for (name,) in cursor.fetchall()]
    found = []
    for column in columns:
        cursor.execute(f"SELECT {column} FROM {connection.ops.quote_name(table)} WHERE {column} IS NOT NULL")  # noqa: S608
        found += [bytes(value) for (value,) in cursor.fetchall()]
    return b"\n".join(found)


def valkey() -> bytes:
    """All keys with what they hold; not as DUMP gives it: that is compressed."""
    store = redis.Redis.from_url(settings.REDIS_URL)
    return b"\n".join(part for key in store.scan_iter() for part in (key, *held(store, key)))


def held(store: redis.Redis, key: bytes) -> list[bytes]:
    """All that one key holds."""
    match store.type(key):
        case b"string":
            return [store.get(key) or b""]
        case b"list":
            return store.lrange(key, 0, -1)
        case b"hash":
            return [part for pair in store.hgetall(key).items() for part in pair]
        case b"set":
            return list(store.smembers(key))
        case b"zset":
            return store.zrange(key, 0, -1)
        case b"none":
            return []  # gone meanwhile
        case other:
            raise AssertionError(f"How is a {other} read?")


def shapes(word: str) -> set[bytes]:
    """A word in every encoding it may lie in, lower case where the encoding has no case."""
    plain = word.encode()
    found = {plain, plain[::-1], word[::-1].encode(), word.encode("utf-16-le"), word.encode("gb18030")}
    found |= {quote(word, safe="").encode(), quote(word, safe="").lower().encode(), json.dumps(word)[1:-1].encode()}
    found |= {plain.hex().encode(), plain.hex().upper().encode(), base64.b32encode(plain).rstrip(b"=")}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + plain)
            first = -(-shift * 8 // 6)  # what the bytes before have a part in
            last = (shift + len(plain)) * 8 // 6  # what the bytes after have a part in
            found.add(text[first:last])
    return {shape for shape in found if len(shape) >= 4}


def holds(kept: bytes, word: str) -> bool:
    """Whether the word is there in any shape."""
    return any(shape in kept for shape in shapes(word))


def found_in(kept: dict[str, bytes], words: list[str]) -> dict[str, list[str]]:
    """Where which words are."""
    found = {name: [word for word in words if holds(text, word)] for name, text in kept.items()}
    return {name: words for name, words in found.items() if words}
