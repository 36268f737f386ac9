"""PostgreSQL past Django: connections of the processes that listen (relay, live, courier)."""

import orjson
import psycopg
from django.db import connections
from psycopg.types.json import set_json_loads

DJANGO_ONLY = {"pool", "options", "server_side_binding", "isolation_level", "assume_role", "application_name"}


def parameters(application: str, *, statement_timeout: str = "60s") -> dict:
    """What psycopg needs to connect where Django does, in UTC, under a name of its own."""
    known = connections["default"].settings_dict
    address = {"dbname": known["NAME"], "user": known["USER"], "password": known["PASSWORD"]}
    address |= {"host": known["HOST"], "port": known["PORT"]}
    options = {key: value for key, value in known["OPTIONS"].items() if key not in DJANGO_ONLY}
    return {
        **options,
        **{key: value for key, value in address.items() if value},
        "autocommit": True,
        "application_name": f"hub {application}",
        "options": f"-c statement_timeout={statement_timeout} -c lock_timeout=10s -c timezone=UTC",
    }


def connect(application: str) -> psycopg.Connection:
    """A connection of its own, in autocommit. Raises psycopg.OperationalError."""
    connection = psycopg.connect(**parameters(application, statement_timeout="10min"))
    set_json_loads(orjson.loads, connection)
    return connection
