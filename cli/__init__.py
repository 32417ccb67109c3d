"""The same from a terminal: `lectorium`."""
