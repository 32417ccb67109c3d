"""Text becomes utterances; utterances become phonemes."""
