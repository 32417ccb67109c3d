"""The counter: HTTP. Takes requests, shows jobs, hands out files.

It speaks no text and reads no book: what a request may say stands in `jobs.specs`, what becomes of it in the
ledger. Never reaches torch.
"""
