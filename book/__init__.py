"""Paper in, sound out: a book file becomes chapters; chapter audio becomes a book file.

This room knows nothing of queues, databases, networks or voices. It never reaches torch.
"""
