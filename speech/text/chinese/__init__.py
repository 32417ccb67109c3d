"""Mandarin: normalised to simplified characters, read by words, with tone sandhi."""
