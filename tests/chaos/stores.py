"""An object store that errs, breaks off, stalls and sends wrong bytes: every book finishes whole.

python -m tests.chaos.stores --books 10 --seed 11
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from jobs.objects import S3Options, open_objects
from tests.chaos.fault_proxy import FaultProxy, Faults
from tests.chaos.rig import Rig, report, write_book
from tests.services.s3 import MotoServer


def run(home: Path, *, books: int, sentences: int, seed: int) -> dict[str, Any]:
    """The figures of one run. At its end the store is read without the proxy and every digest compared."""
    faults = Faults(errors=0.13, resets=0.05, stalls=0.02, wrong_bytes=0.01)
    with MotoServer() as moto:
        account = moto.account.with_fresh_bucket()
        with FaultProxy(account.endpoint, faults, seed=seed) as proxy:
            settings = {
                "objects": account.url,
                "s3_endpoint": proxy.endpoint,
                "s3_region": account.region,
                "s3_key_id": account.access_key,
                "s3_secret": SecretStr(account.secret_key),
                "s3_addressing": "path",
            }
            with Rig(home, settings_more=settings, seconds_per_utterance=0.001) as rig:
                started = time.monotonic()
                job_ids = [rig.submit(write_book(4, sentences), title=f"Book {n}") for n in range(books)]
                rig.start()
                rig.start()
                ends = Counter(rig.wait(job_id, seconds=900).state.value for job_id in job_ids)
                seconds = time.monotonic() - started
                rig.objects = open_objects(
                    account.url,
                    S3Options(
                        endpoint=account.endpoint,
                        region=account.region,
                        key_id=account.access_key,
                        secret=account.secret_key,
                        addressing="path",
                    ),
                )
                return {
                    "books": books,
                    "ends": dict(ends),
                    "faults": dict(proxy.counts),
                    "corrupt_or_missing": rig.broken(job_ids),
                    "seconds": round(seconds, 1),
                    "seed": seed,
                }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=10)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), books=arguments.books, sentences=arguments.sentences, seed=arguments.seed))


if __name__ == "__main__":
    main()
