"""How fast this machine speaks, and where the time goes: `python -m speech.bench`, `lectorium bench`.

Runs wherever `speech/` does, with torch and numpy and nothing else installed: weights are random and of the
real size, and every sentence ends where its length says, because speed does not depend on what is said.
"""
