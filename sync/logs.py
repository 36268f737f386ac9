"""Log lines: one JSON object a line, with the request's id, so that a message can be followed."""

import logging

import orjson

from sync.ids import request_id


class Line(logging.Formatter):
    """JSON lines; control characters in values are escaped by JSON, so a value cannot forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identity := request_id.get():
            line["request_id"] = identity
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()
