"""The hands: the Celery app and one file per kind of step."""
