"""Voices at rest and at hand: manifest, shelf on disk, cache in memory."""
