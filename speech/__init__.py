"""A sentence becomes a waveform; how a voice learns.

This room knows nothing of queues, databases, networks, books or files of jobs.

The dimension key, used in every docstring below this room:
`B` lanes · `P` phonemes · `S` semantic tokens (25/s) · `F` frames (50/s) · `N` samples (32,000/s) ·
`T` any length in attention · `D` width · `H` heads · `K` head width · `L` layers · `V` vocabulary ·
`C` channels · `G` style width. Attention is `[B, T, D]`, convolution `[B, C, F]`.
Masks are true where valid and end in `_valid`.
"""
