from sync.models.channels import Channel, ChannelKey, Endpoint, Method, Scope, SharingGroup, Visible
from sync.models.cockpit import Alert, AlertRule, Discrepancy, Measure, Notice, ReconciliationRun
from sync.models.deliveries import Attempt, Delivery, Replay
from sync.models.facts import Acknowledged, Audience, Batch, Event, Horizon, Settled, Stream, Ticket
from sync.models.forwarding import ForwardedPush
from sync.models.incoming import IdempotentAnswer, InboxMessage, InboxReplay, Quota
from sync.models.processes import Heartbeat

__all__ = [
    "Acknowledged",
    "Alert",
    "AlertRule",
    "Attempt",
    "Audience",
    "Batch",
    "Channel",
    "ChannelKey",
    "Delivery",
    "Discrepancy",
    "Endpoint",
    "Event",
    "ForwardedPush",
    "Heartbeat",
    "Horizon",
    "IdempotentAnswer",
    "InboxMessage",
    "InboxReplay",
    "Measure",
    "Method",
    "Notice",
    "Quota",
    "ReconciliationRun",
    "Replay",
    "Scope",
    "Settled",
    "SharingGroup",
    "Stream",
    "Ticket",
    "Visible",
]
