"""GPT-SoVITS' own files: their pair of pickles comes in, and goes out again, exactly.

Nothing of a file is believed before it is checked: `archive` reads its zip, `sketch` its pickle without
running it, `contents` says what it is; only then `container`, in a child process that can do no harm, lets
torch read it. What comes back is safetensors, which cannot run anything.
"""
