"""PostgreSQL past Django: connections of the processes that listen (relay, live, courier)."""

import orjson
import psycopg
from django.db import connections
from psycopg.types.json import set_json_loads

DJANGO_ONLY = {"pool", "options", "server_side_binding", "isolation_level", "assume_role", "application_name"}
SESSION = {"statement_timeout": "60s", "lock_timeout": "10s", "timezone": "UTC", "jit": "off"}


def parameters(application: str, **wanted: str) -> dict:
    """What psycopg needs to connect where Django does, in UTC, under a name of its own.

    `wanted` are settings of PostgreSQL for the session, beside or instead of ours.
    """
    known = connections["default"].settings_dict
    address = {"dbname": known["NAME"], "user": known["USER"], "password": known["PASSWORD"]}
    address |= {"host": known["HOST"], "port": known["PORT"]}
    options = {key: value for key, value in known["OPTIONS"].items() if key not in DJANGO_ONLY}
    return {
        **options,
        **{key: value for key, value in address.items() if value},
        "autocommit": True,
        "application_name": f"hub {application}",
        "options": " ".join(f"-c {name}={value}" for name, value in (SESSION | wanted).items()),
    }


def connect(application: str) -> psycopg.Connection:
    """A connection of its own, in autocommit. Raises psycopg.OperationalError."""
    connection = psycopg.connect(**parameters(application, statement_timeout="10min"))
    set_json_loads(orjson.loads, connection)
    return connection
