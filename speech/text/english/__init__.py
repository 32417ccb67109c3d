"""English: normalised to words, read by the CMU dictionary, unknown words by a small network."""
