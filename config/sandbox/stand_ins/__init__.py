"""Stand-ins for the world outside, spoken to over HTTP exactly as the real ones: only base URLs differ."""
