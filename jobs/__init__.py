"""What api and worker agree on: specs, rows, moves, messages, objects.

This room knows nothing of books, voices, HTTP or Celery workers. It never reaches torch.
"""
