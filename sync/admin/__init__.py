"""The ground floor's admin: the manner of all pages (`pages`), and the pages of channels, traffic and the watch."""

from sync.admin import channels, forwarding, quarantine, replays, traffic, watching

__all__ = ["channels", "forwarding", "quarantine", "replays", "traffic", "watching"]
