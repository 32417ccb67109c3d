"""Korean: normalised to hangul, written as it is pronounced, taken apart into jamo."""
