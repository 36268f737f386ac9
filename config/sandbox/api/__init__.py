"""The sandbox's own API (contract §6): what stands around the hub, at the fingertips of a test."""
