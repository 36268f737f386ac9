"""The ground floor's part of the public contract (API §3, §4)."""
