"""Following one message 消息追踪: from the request that caused it to each endpoint and socket that has it.

`views` are its two pages, `finding` is what may be typed to get there, `way` is what one event's page tells.
"""

from sync.admin.tracing import doors  # noqa: F401 - hangs the doors
from sync.admin.tracing.finding import finds
from sync.admin.tracing.links import link, looking_for, page_of
from sync.admin.tracing.views import urls

__all__ = ["finds", "link", "looking_for", "page_of", "urls"]
