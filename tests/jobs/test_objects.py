"""One contract for every object store, and what is particular to a folder and to S3.

Where a test server differs from S3 the test says so. In short: moto takes signed addresses that are expired
or changed, and gives no true age of an unfinished upload. s3rver checks the expiry, but no signature of
version 4; its puts are not atomic; it lists keys folder by folder, fails past the first page and cannot list
unfinished uploads.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import io
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.message import Message
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.objects import (
    CorruptObjectError,
    ObjectKeyError,
    ObjectMissingError,
    ObjectRangeError,
    Objects,
    ObjectsAddressError,
    ObjectsRefusedError,
    ObjectsUnavailableError,
    S3Options,
    attachment,
    check_key,
    open_objects,
)
from tests.chaos.fault_proxy import FaultProxy, Faults
from tests.services.process import free_port
from tests.services.s3 import S3Account

ROOT = Path(__file__).resolve().parents[2]
BINARY = "application/octet-stream"
MIB = 1024 * 1024


def options_for(account: S3Account, **changes: Any) -> S3Options:
    """How to reach a test server."""
    reach: dict[str, Any] = {
        "endpoint": account.endpoint,
        "region": account.region,
        "key_id": account.access_key,
        "secret": account.secret_key,
        "read_seconds": 10,
        "patience_seconds": 20,
    }
    return S3Options(**(reach | changes))


def noise(n_bytes: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(n_bytes)


@pytest.fixture(
    params=[
        "folder",
        pytest.param("moto", marks=pytest.mark.services),
        pytest.param("s3rver", marks=pytest.mark.services),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store."""
    return str(request.param)


@pytest.fixture
def objects(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store of this kind."""
    if kind == "folder":
        return open_objects((tmp_path / "objects").as_uri())
    account = request.getfixturevalue("s3_server" if kind == "moto" else "s3rver_server")
    return open_objects(f"{account.url}/some/prefix", options_for(account))


@pytest.fixture
def folder(tmp_path: Path) -> Objects:
    """A store in `tmp_path/objects`."""
    return open_objects((tmp_path / "objects").as_uri())


# -- the contract ----------------------------------------------------------------------------------


def test_object_comes_back_as_it_was_put(objects: Objects, tmp_path: Path) -> None:
    text = b"Es war einmal"
    stored = objects.put("jobs/7/script.json", text, media_type="application/json")
    assert (stored.key, stored.n_bytes) == ("jobs/7/script.json", len(text))
    assert stored.sha256 == hashlib.sha256(text).hexdigest()
    assert objects.get(stored.key, sha256=stored.sha256) == text
    assert objects.get(stored.key) == text
    assert objects.fetch(stored.key, tmp_path / "copy", sha256=stored.sha256) == stored
    assert (tmp_path / "copy").read_bytes() == text
    head = objects.head(stored.key)
    assert head is not None
    assert (head.key, head.n_bytes) == (stored.key, len(text))
    assert abs(head.modified - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("given_as", ["bytes", "path", "stream", "stream in its middle", "pipe"])
def test_put_takes_every_kind_of_source(objects: Objects, tmp_path: Path, given_as: str) -> None:
    text = noise(300_000)
    path = tmp_path / "source"
    path.write_bytes(text)
    source: Any = text
    if given_as == "path":
        source = path
    elif given_as == "stream":
        source = io.BytesIO(text)
    elif given_as == "stream in its middle":
        source = io.BytesIO(b"before " + text)
        source.seek(len(b"before "))
    elif given_as == "pipe":
        reading, writing = os.pipe()
        threading.Thread(target=lambda: (os.write(writing, text[:1]), _write_all(writing, text[1:]))).start()
        source = os.fdopen(reading, "rb")
    stored = objects.put("a/source", source, media_type=BINARY)
    if isinstance(source, io.IOBase):
        assert not source.closed
        source.close()
    assert objects.get("a/source", sha256=stored.sha256) == text


def _write_all(descriptor: int, text: bytes) -> None:
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(text)


def test_empty_object_is_an_object(objects: Objects, tmp_path: Path) -> None:
    stored = objects.put("empty", b"", media_type=BINARY)
    assert stored.n_bytes == 0
    assert objects.get("empty", sha256=stored.sha256) == b""
    assert list(objects.open_range("empty")) == []
    objects.fetch("empty", tmp_path / "copy", sha256=stored.sha256)
    assert (tmp_path / "copy").read_bytes() == b""
    head = objects.head("empty")
    assert head is not None
    assert head.n_bytes == 0


def test_large_object_takes_little_memory(objects: Objects, tmp_path: Path) -> None:
    """50 MB: four parts on S3."""
    block, path = noise(MIB), tmp_path / "large"
    with path.open("wb") as sink:
        for n in range(50):
            sink.write(n.to_bytes(4, "big") + block[4:])
    objects.put("warm-up", block, media_type=BINARY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stored = objects.put("large", path, media_type=BINARY)
    objects.fetch("large", tmp_path / "copy", sha256=stored.sha256)
    grown_megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert stored.n_bytes == 50 * MIB
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest() == stored.sha256
    assert b"".join(objects.open_range("large", 20 * MIB, 20 * MIB + 4)) == (20).to_bytes(4, "big")
    assert grown_megabytes < 45


def test_range_is_that_of_a_slice(objects: Objects) -> None:
    text = noise(100)
    objects.put("hundred", text, media_type=BINARY)
    edges = [0, 1, 5, 40, 60, 99, 100]
    for start in edges:
        for end in [end for end in (*edges, 101, 5_000) if end >= start] + [None]:
            assert b"".join(objects.open_range("hundred", start, end)) == text[start:end], (start, end)


def test_range_outside_the_object_is_refused_at_once(objects: Objects) -> None:
    objects.put("hundred", noise(100), media_type=BINARY)
    for start, end in [(101, None), (101, 102), (-1, None), (5, 4), (-5, -1)]:
        with pytest.raises(ObjectRangeError, match="of an object of 100"):
            objects.open_range("hundred", start, end)


def test_missing_object_is_told_apart(objects: Objects, tmp_path: Path) -> None:
    assert objects.head("no/such") is None
    for read in (
        lambda: objects.get("no/such"),
        lambda: objects.open_range("no/such"),
        lambda: objects.fetch("no/such", tmp_path / "copy"),
    ):
        with pytest.raises(ObjectMissingError, match="no/such"):
            read()
    with pytest.raises(FileNotFoundError):
        objects.get("no/such")
    objects.delete("no/such")
    assert list(tmp_path.glob("*copy*")) == []


def test_delete_leaves_nothing_and_may_be_repeated(objects: Objects) -> None:
    objects.put("a/b", b"1", media_type=BINARY)
    objects.put("a/c", b"2", media_type=BINARY)
    for _ in range(2):
        objects.delete("a/b")
        assert objects.head("a/b") is None
    assert objects.get("a/c") == b"2"


def test_second_put_replaces_the_first(objects: Objects) -> None:
    objects.put("a", b"the first, which is longer", media_type=BINARY)
    stored = objects.put("a", b"the second", media_type=BINARY)
    assert objects.get("a", sha256=stored.sha256) == b"the second"
    assert [head.n_bytes for head in objects.list()] == [10]


def test_list_goes_by_the_bytes_of_the_keys(objects: Objects, kind: str) -> None:
    """s3rver has another order."""
    keys = ["a-b", "a.b", "a/b", "a/b.c", "a/b-c/d", "a/c/d", "a0", "aB", "ab", "b/a", "Z"]
    for key in random.Random(3).sample(keys, len(keys)):
        objects.put(key, key.encode(), media_type=BINARY)
    ordered = sorted if kind == "s3rver" else list
    for prefix in ("", "a", "a/", "a/b", "a/b-", "a/b-c/", "b", "b/a", "b/ab", "nothing", "a/c/d", "a/c/d/"):
        found = [head.key for head in objects.list(prefix)]
        assert ordered(found) == sorted(key for key in keys if key.startswith(prefix))
    assert {head.key: head.n_bytes for head in objects.list("a/")} == {
        key: len(key) for key in keys if key.startswith("a/")
    }


@pytest.mark.parametrize("kind", ["folder", pytest.param("moto", marks=pytest.mark.services)])
def test_list_goes_on_past_a_page(objects: Objects) -> None:
    """Not on s3rver, which answers InternalError to the second page."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: objects.put(f"n/{n:04}", b"", media_type=BINARY), range(1_001)))
    keys = [head.key for head in objects.list("n/")]
    assert keys == [f"n/{n:04}" for n in range(1_001)]


def test_wrong_digest_is_never_handed_out(objects: Objects, tmp_path: Path) -> None:
    objects.put("a", b"what was stored", media_type=BINARY)
    other = hashlib.sha256(b"what was meant").hexdigest()
    with pytest.raises(CorruptObjectError, match="a: the digest is not"):
        objects.get("a", sha256=other)
    with pytest.raises(CorruptObjectError):
        objects.fetch("a", tmp_path / "copy", sha256=other)
    assert list(tmp_path.glob("*copy*")) == []


def test_fetch_replaces_a_file_only_by_a_verified_one(objects: Objects, tmp_path: Path) -> None:
    objects.put("a", b"new", media_type=BINARY)
    path = tmp_path / "copy"
    path.write_bytes(b"old")
    with pytest.raises(CorruptObjectError):
        objects.fetch("a", path, sha256="0" * 64)
    assert path.read_bytes() == b"old"
    objects.fetch("a", path)
    assert path.read_bytes() == b"new"


def test_fetch_into_a_missing_folder_blames_the_folder(objects: Objects, tmp_path: Path) -> None:
    objects.put("a", b"new", media_type=BINARY)
    with pytest.raises(FileNotFoundError) as raised:
        objects.fetch("a", tmp_path / "no-such-folder" / "copy")
    assert not isinstance(raised.value, ObjectMissingError)


def test_put_of_a_missing_file_blames_the_file(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        objects.put("a", tmp_path / "no-such-file", media_type=BINARY)
    assert not isinstance(raised.value, ObjectMissingError)
    assert objects.head("a") is None


@pytest.mark.parametrize("kind", ["folder", pytest.param("moto", marks=pytest.mark.services)])
def test_readers_see_one_whole_version_while_writers_race(objects: Objects) -> None:
    """Not on s3rver, whose answers may join one version's metadata and another's bytes."""
    versions = [bytes([n]) * 200_000 for n in range(4)]
    objects.put("hot", versions[0], media_type=BINARY)
    seen, barrier = set(), threading.Barrier(6)

    def write(version: bytes) -> None:
        barrier.wait()
        for _ in range(5):
            objects.put("hot", version, media_type=BINARY)

    def read() -> None:
        barrier.wait()
        for _ in range(10):
            seen.add(objects.get("hot"))

    with ThreadPoolExecutor(6) as pool:
        for done in [
            *(pool.submit(write, version) for version in versions),
            pool.submit(read),
            pool.submit(read),
        ]:
            done.result()
    assert seen <= set(versions)
    assert objects.get("hot") in versions


BAD_KEYS = [
    *("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a/./b", ".hidden", "a/.b"),
    *("a\\b", "a b", "a\nb", "a\0b", "ä", "a%2e", "a?b", "a#b", "C:a", "~/a*", "a" * 201, "ab/" * 300 + "c"),
]


def test_bad_key_is_refused_by_every_verb(objects: Objects, tmp_path: Path) -> None:
    verbs: list[Callable[[str], object]] = [
        lambda key: objects.put(key, b"", media_type=BINARY),
        objects.get,
        lambda key: objects.fetch(key, tmp_path / "copy"),
        objects.open_range,
        objects.head,
        objects.delete,
        lambda key: objects.sign(key, seconds=60, filename="a", media_type=BINARY),
    ]
    for key in BAD_KEYS:
        for verb in verbs:
            with pytest.raises(ObjectKeyError):
                verb(key)
    assert list(objects.list()) == []


def test_bad_prefix_is_refused(objects: Objects) -> None:
    for prefix in ("../", "a/../", "a b", "ä", "a\\"):
        with pytest.raises(ObjectKeyError):
            objects.list(prefix)


def test_longest_key_is_taken(objects: Objects) -> None:
    key = "/".join(["k" * 200, "l" * 200, "m" * 200, "n" * 97])
    assert len(key) == 700
    objects.put(key, b"1", media_type=BINARY)
    assert objects.get(key) == b"1"
    assert [head.key for head in objects.list("k")] == [key]


def test_check_passes_and_leaves_nothing(objects: Objects) -> None:
    objects.check()
    assert list(objects.list()) == []


@given(key=st.text(alphabet="ab./_-=@+ \\%\0é", max_size=12), payload=st.binary(max_size=64))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folder_takes_a_key_and_keeps_it_inside_or_refuses(
    tmp_path_factory: pytest.TempPathFactory, key: str, payload: bytes
) -> None:
    base = tmp_path_factory.mktemp("folder")
    store = open_objects((base / "objects").as_uri())
    try:
        store.put(key, payload, media_type=BINARY)
    except ObjectKeyError:
        assert [path for path in base.rglob("*") if path.is_file()] == []
        with pytest.raises(ObjectKeyError):
            check_key(key)
    else:
        assert [path for path in base.rglob("*") if path.is_file()] == [base / "objects" / key]
        assert store.get(key) == payload
        assert [head.key for head in store.list()] == [key]


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "objects", "/objects", "http://host/a", "s3://", "s3:///a", "file://host/a"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ObjectsAddressError, match="file:///folder or s3://bucket/prefix"):
        open_objects(url)


def test_s3_address_with_a_bad_prefix_is_refused() -> None:
    with pytest.raises(ObjectKeyError):
        open_objects("s3://bucket/a/../b")


def test_folder_address_may_hold_spaces(tmp_path: Path) -> None:
    store = open_objects((tmp_path / "my objects ä").as_uri())
    store.put("a", b"1", media_type=BINARY)
    assert (tmp_path / "my objects ä" / "a").read_bytes() == b"1"


def test_secret_is_not_shown() -> None:
    assert "hush" not in repr(S3Options(key_id="me", secret="hush"))


# -- the folder ------------------------------------------------------------------------------------


def test_folder_refuses_a_symlink_that_leads_out(folder: Objects, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not for you")
    (tmp_path / "objects" / "link").symlink_to(tmp_path)
    (tmp_path / "objects" / "file").symlink_to(tmp_path / "secret")
    for key in ("link/secret", "file"):
        with pytest.raises(ObjectKeyError, match="leads out"):
            folder.get(key)
        with pytest.raises(ObjectKeyError, match="leads out"):
            folder.put(key, b"overwritten", media_type=BINARY)
    assert (tmp_path / "secret").read_text() == "not for you"


def test_folder_says_when_a_key_lies_under_an_object(folder: Objects) -> None:
    """Unlike S3, where both may exist."""
    folder.put("a", b"1", media_type=BINARY)
    with pytest.raises(ObjectKeyError, match="an object itself"):
        folder.put("a/b", b"2", media_type=BINARY)
    folder.put("c/d", b"3", media_type=BINARY)
    with pytest.raises(ObjectKeyError, match="a folder of objects"):
        folder.put("c", b"4", media_type=BINARY)
    assert folder.head("c") is None
    assert folder.head("a/b") is None
    with pytest.raises(ObjectMissingError):
        folder.get("c")
    assert [head.key for head in folder.list()] == ["a", "c/d"]


def test_folder_signs_nothing(folder: Objects) -> None:
    folder.put("a", b"1", media_type=BINARY)
    assert folder.sign("a", seconds=60, filename="a.wav", media_type="audio/wav") is None


def test_folder_without_room_is_unavailable_and_keeps_the_old_object(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "from jobs.objects import open_objects, ObjectsUnavailableError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = open_objects(sys.argv[1])\n"
        "store.put('a', b'old', media_type='x/y')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    store.put('a', bytes(200_000), media_type='x/y')\n"
        "except ObjectsUnavailableError as error:\n"
        "    print(error, store.get('a'))\n"
    )
    url = (tmp_path / "objects").as_uri()
    done = subprocess.run(
        [sys.executable, "-c", script, url], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"the folder of objects: {os.strerror(errno.EFBIG)} b'old'"
    assert [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()] == ["a"]


def test_folder_killed_in_the_middle_of_puts_keeps_whole_objects(tmp_path: Path) -> None:
    """`kill -9` at twelve random moments of a process that stores 2 MB objects as fast as it can."""
    script = (
        "import sys\n"
        "from jobs.objects import open_objects\n"
        "store = open_objects(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    store.put(f'{sys.argv[2]}/{n % 5}', bytes([n % 251]) * 2_000_000, media_type='x/y')\n"
    )
    url, when = (tmp_path / "objects").as_uri(), random.Random(11)
    for turn in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", script, url, str(turn)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(when.uniform(0.005, 0.08))
            child.send_signal(signal.SIGKILL)
    store = open_objects(url)
    heads = list(store.list())
    assert heads, "no put was ever finished: the test kills too early"
    for head in heads:
        whole = store.get(head.key)
        assert len(whole) == 2_000_000
        assert len(set(whole)) == 1
    n_drafts = len(list((tmp_path / "objects" / ".unfinished").iterdir()))
    assert n_drafts > 0, "no kill came in the middle of a put"
    assert store.sweep(older_than_seconds=3600) == 0
    assert store.sweep(older_than_seconds=-1) == n_drafts
    assert list(store.list()) == heads


def test_folder_put_syncs_file_and_folder_before_it_returns(tmp_path: Path) -> None:
    """Asked of the kernel: fsync of the draft, rename, fsync of the folder, in this order."""
    script = (
        "import sys\n"
        "from jobs.objects import open_objects\n"
        "calls = []\n"
        "sys.addaudithook(lambda event, args: event == 'os.rename' and calls.append((event, args)))\n"
        "import os\n"
        "fsync = os.fsync\n"
        "os.fsync = lambda fd: (calls.append(('fsync', os.readlink(f'/proc/self/fd/{fd}'))), fsync(fd))\n"
        "store = open_objects(sys.argv[1])\n"
        "store.put('new/a', b'1', media_type='x/y')\n"
        "for call in calls: print(call[0], call[1] if call[0] == 'fsync' else '')\n"
    )
    root = tmp_path / "objects"
    done = subprocess.run(
        [sys.executable, "-c", script, root.as_uri()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [re.sub(r"/[0-9]+-[0-9a-f]+$", "/draft", line.strip()) for line in done.stdout.splitlines()]
    assert lines == [f"fsync {root}/.unfinished/draft", f"fsync {root}", "os.rename", f"fsync {root}/new"]


# -- S3 --------------------------------------------------------------------------------------------


def test_s3_keeps_the_media_type_and_the_digest_beside_the_object(s3_server: S3Account) -> None:
    store = open_objects(f"{s3_server.url}/p", options_for(s3_server))
    small = store.put("small", b"x", media_type="audio/flac")
    large = store.put("large", noise(17 * MIB), media_type="audio/flac")
    for stored in (small, large):
        answer = s3_server.client().head_object(Bucket=s3_server.bucket, Key=f"p/{stored.key}")
        assert answer["ContentType"] == "audio/flac"
        assert answer["Metadata"] == {"sha256": stored.sha256}


def test_s3_prefix_keeps_stores_apart(s3_server: S3Account) -> None:
    one = open_objects(f"{s3_server.url}/one", options_for(s3_server))
    bare = open_objects(s3_server.url, options_for(s3_server))
    one.put("a", b"1", media_type=BINARY)
    open_objects(f"{s3_server.url}/onerous", options_for(s3_server)).put("b", b"2", media_type=BINARY)
    assert [head.key for head in one.list()] == ["a"]
    assert [head.key for head in bare.list()] == ["one/a", "onerous/b"]
    assert bare.get("one/a") == b"1"


def test_s3_damaged_in_the_store_is_noticed_without_being_told_the_digest(s3_server: S3Account) -> None:
    store = open_objects(s3_server.url, options_for(s3_server))
    stored = store.put("a", b"sound", media_type=BINARY)
    s3_server.client().put_object(
        Bucket=s3_server.bucket, Key="a", Body=b"noise", Metadata={"sha256": stored.sha256}
    )
    with pytest.raises(CorruptObjectError):
        store.get("a")


@pytest.mark.parametrize("n_bytes", [1_000, 16 * MIB, 16 * MIB + 1, 33 * MIB])
def test_s3_put_that_arrives_damaged_is_sent_again(s3_server: S3Account, n_bytes: int) -> None:
    payload = noise(n_bytes)
    with FaultProxy(s3_server.endpoint, Faults(), seed=5) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        store.put("first", b"so that the store knows its ETags", media_type=BINARY)
        proxy.order("wrong_bytes", "PUT")
        stored = store.put("a", payload, media_type=BINARY)
        assert proxy.counts["wrong bytes sent"] == 1
    assert open_objects(s3_server.url, options_for(s3_server)).get("a", sha256=stored.sha256) == payload


def test_s3_first_put_ever_in_parts_that_arrives_damaged_is_sent_again(s3_server: S3Account) -> None:
    payload = noise(17 * MIB)
    with FaultProxy(s3_server.endpoint, Faults(), seed=5) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        proxy.order("wrong_bytes", "PUT")
        stored = store.put("a", payload, media_type=BINARY)
    assert open_objects(s3_server.url, options_for(s3_server)).get("a", sha256=stored.sha256) == payload


@pytest.mark.parametrize("n_bytes", [1_000, 17 * MIB])
def test_s3_put_that_always_arrives_damaged_leaves_nothing(s3_server: S3Account, n_bytes: int) -> None:
    with FaultProxy(s3_server.endpoint, Faults(), seed=5) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        store.put("first", b"so that the store knows its ETags", media_type=BINARY)
        proxy.order("wrong_bytes", "PUT", times=100)
        with pytest.raises(CorruptObjectError, match="damaged"):
            store.put("a", noise(n_bytes), media_type=BINARY)
    direct = open_objects(s3_server.url, options_for(s3_server))
    assert direct.head("a") is None
    assert direct.sweep(older_than_seconds=-1) == 0, "an upload was left open"


def test_s3_get_of_wrong_bytes_is_read_again_three_times(s3_server: S3Account, tmp_path: Path) -> None:
    payload = noise(1_000)
    with FaultProxy(s3_server.endpoint, Faults(), seed=5) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        stored = store.put("a", payload, media_type=BINARY)
        proxy.order("wrong_bytes", "GET", times=2)
        assert store.get("a", sha256=stored.sha256) == payload
        proxy.order("wrong_bytes", "GET", times=2)
        store.fetch("a", tmp_path / "copy", sha256=stored.sha256)
        assert (tmp_path / "copy").read_bytes() == payload
        assert proxy.counts["wrong bytes received"] == 4
        proxy.order("wrong_bytes", "GET", times=3)
        with pytest.raises(CorruptObjectError):
            store.get("a", sha256=stored.sha256)


def test_s3_reading_goes_on_where_the_connection_broke(s3_server: S3Account, tmp_path: Path) -> None:
    payload = noise(8 * MIB)
    direct = open_objects(s3_server.url, options_for(s3_server))
    stored = direct.put("a", payload, media_type=BINARY)
    with FaultProxy(s3_server.endpoint, Faults(resets=0.5, truncations=0.3), seed=1) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        assert store.get("a", sha256=stored.sha256) == payload
        assert b"".join(store.open_range("a", MIB, 7 * MIB)) == payload[MIB : 7 * MIB]
        assert proxy.counts["truncations"] > 0
        assert proxy.counts["resets"] > 0
        assert proxy.counts["bytes"] < 4 * len(payload), "it began from the start each time"


def test_s3_object_replaced_while_read_is_read_anew(s3_server: S3Account) -> None:
    old, new = noise(4 * MIB, 1), noise(4 * MIB, 2)
    direct = open_objects(s3_server.url, options_for(s3_server))
    direct.put("a", old, media_type=BINARY)
    with FaultProxy(s3_server.endpoint, Faults(), seed=1) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        proxy.order("truncations", "GET", then=lambda: direct.put("a", new, media_type=BINARY))
        assert store.get("a") == new


def test_s3_open_range_refuses_to_join_two_objects(s3_server: S3Account) -> None:
    direct = open_objects(s3_server.url, options_for(s3_server))
    direct.put("a", noise(4 * MIB, 1), media_type=BINARY)
    with FaultProxy(s3_server.endpoint, Faults(), seed=1) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        proxy.order("truncations", "GET", then=lambda: direct.put("a", noise(4 * MIB, 2), media_type=BINARY))
        with pytest.raises(CorruptObjectError, match="replaced"):
            list(store.open_range("a"))


def test_s3_whose_etag_is_no_md5_is_read_back(s3_server: S3Account) -> None:
    """As with KMS encryption: every ETag is changed on its way to us."""
    with FaultProxy(s3_server.endpoint, Faults(), seed=5) as proxy:
        proxy.other_etags = True
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        for n_bytes in (1_000, 17 * MIB):
            proxy.order("wrong_bytes", "PUT")
            payload = noise(n_bytes)
            stored = store.put(f"a{n_bytes}", payload, media_type=BINARY)
            assert store.get(f"a{n_bytes}", sha256=stored.sha256) == payload
        assert proxy.counts["wrong bytes sent"] == 2


def test_s3_lost_answer_to_the_end_of_an_upload_is_no_failure(s3_server: S3Account) -> None:
    payload = noise(17 * MIB)
    with FaultProxy(s3_server.endpoint, Faults(), seed=5) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        proxy.order("lost_answers", "POST", path_holds="uploadId=")  # the request that completes it
        stored = store.put("a", payload, media_type=BINARY)
        assert proxy.counts["errors"] == 1
    assert open_objects(s3_server.url, options_for(s3_server)).get("a", sha256=stored.sha256) == payload


def test_s3_sweep_removes_what_a_killed_upload_left(s3_server: S3Account) -> None:
    """Not on s3rver, which cannot list unfinished uploads. On moto they all began in 2010."""
    store = open_objects(f"{s3_server.url}/p", options_for(s3_server))
    store.put("kept", b"1", media_type=BINARY)
    client = s3_server.client()
    for key in ("p/a", "p/b", "elsewhere/c"):
        client.create_multipart_upload(Bucket=s3_server.bucket, Key=key)
    assert store.sweep(older_than_seconds=100 * 365 * 86_400) == 0
    assert store.sweep() == 2
    uploads = client.list_multipart_uploads(Bucket=s3_server.bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["elsewhere/c"]
    assert store.get("kept") == b"1"


def test_s3_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    reach = S3Options(
        f"http://127.0.0.1:{free_port()}", key_id="a", secret="b", attempts=2, patience_seconds=0.3
    )
    store = open_objects("s3://bucket", reach)
    with pytest.raises(ObjectsUnavailableError, match="'a': EndpointConnectionError"):
        store.put("a", b"1", media_type=BINARY)
    with pytest.raises(ObjectsUnavailableError):
        store.get("a")
    before = time.monotonic()
    with pytest.raises(ObjectsUnavailableError):
        store.check()
    assert time.monotonic() - before < 8


def test_s3_check_does_not_wait_for_a_server_that_is_silent(s3_server: S3Account) -> None:
    with FaultProxy(s3_server.endpoint, Faults(stalls=1, stall_seconds=25), seed=1) as proxy:
        store = open_objects(s3_server.url, options_for(s3_server, endpoint=proxy.endpoint))
        before = time.monotonic()
        with pytest.raises(ObjectsUnavailableError):
            store.check()
        assert time.monotonic() - before < 15


def test_s3_without_its_bucket_refuses_at_once(s3_server: S3Account) -> None:
    store = open_objects("s3://no-such-bucket-anywhere", options_for(s3_server))
    before = time.monotonic()
    with pytest.raises(ObjectsRefusedError, match="NoSuchBucket"):
        store.put("a", b"1", media_type=BINARY)
    with pytest.raises(ObjectsRefusedError, match="NoSuchBucket"):
        store.check()
    assert time.monotonic() - before < 10


def test_s3_takes_checksums_where_wanted(s3_server: S3Account) -> None:
    store = open_objects(s3_server.url, options_for(s3_server, checksums="when_supported"))
    stored = store.put("a", noise(17 * MIB), media_type=BINARY)
    store.put("b", b"1", media_type=BINARY)
    assert store.get("a", sha256=stored.sha256) == noise(17 * MIB)


def test_s3_client_is_not_shared_over_a_fork(s3_server: S3Account) -> None:
    """The child and the parent use their own connections; each reads what it asked for."""
    store = open_objects(s3_server.url, options_for(s3_server))
    for n in range(20):
        store.put(f"n{n}", noise(100_000, n), media_type=BINARY)
    child = os.fork()
    if child == 0:
        right = all(store.get(f"n{n}") == noise(100_000, n) for n in range(20))
        os._exit(0 if right else 1)
    assert all(store.get(f"n{n}") == noise(100_000, n) for n in range(20))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- signed addresses ------------------------------------------------------------------------------


def _open(url: str, **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.mark.parametrize("server", ["s3_server", "s3rver_server"])
def test_signed_address_downloads_under_the_given_name(server: str, request: pytest.FixtureRequest) -> None:
    account: S3Account = request.getfixturevalue(server)
    store = open_objects(f"{account.url}/p", options_for(account))
    store.put("a/b", b"0123456789", media_type=BINARY)
    url = store.sign("a/b", seconds=60, filename="Die Verwandlung – 1.m4b", media_type="audio/mp4")
    assert url is not None
    status, headers, body = _open(url)
    assert (status, body) == (200, b"0123456789")
    assert headers["Content-Type"].startswith("audio/mp4")
    assert headers["Content-Disposition"] == attachment("Die Verwandlung – 1.m4b")
    status, headers, body = _open(url, Range="bytes=2-4")
    assert (status, body) == (206, b"234")


def test_signed_address_ends(s3rver_server: S3Account) -> None:
    """On s3rver alone: moto takes expired addresses."""
    store = open_objects(s3rver_server.url, options_for(s3rver_server))
    store.put("a", b"mine", media_type=BINARY)
    url = store.sign("a", seconds=1, filename="a.txt", media_type="text/plain")
    assert url is not None
    assert _open(url)[0] == 200
    time.sleep(2.1)
    assert _open(url)[0] == 403


def _signature_fits(url: str, account: S3Account) -> bool:
    """Whether the signature is that of the rest of the address: Signature Version 4 as AWS documents it."""
    address = urlsplit(url)
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    signature = query.pop("X-Amz-Signature")
    date, region, service, end = query["X-Amz-Credential"].split("/")[1:]
    canonical_query = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    request = f"GET\n{address.path}\n{canonical_query}\nhost:{address.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{date}/{region}/{service}/{end}\n{hashed}"
    key = b"AWS4" + account.secret_key.encode()
    for word in (date, region, service, end, text):
        key = hmac.digest(key, word.encode(), "sha256")
    return hmac.compare_digest(key.hex(), signature)


def test_signed_address_bears_no_change(s3_server: S3Account) -> None:
    """Computed here: neither test server checks signatures of version 4."""
    store = open_objects(s3_server.url, options_for(s3_server))
    url = store.sign("a", seconds=60, filename="a.txt", media_type="text/plain")
    assert url is not None
    assert _signature_fits(url, s3_server)
    for old, new in [("/a?", "/b?"), ("a.txt", "b.txt"), ("text%2Fplain", "text%2Fhtml"), ("=60&", "=6000&")]:
        assert old in url
        assert not _signature_fits(url.replace(old, new, 1), s3_server)


def test_signed_address_is_on_the_public_endpoint(s3_server: S3Account) -> None:
    reach = options_for(s3_server, public_endpoint="https://audio.example.org")
    url = open_objects(s3_server.url, reach).sign("a", seconds=60, filename="a", media_type=BINARY)
    assert url is not None
    assert url.startswith(f"https://audio.example.org/{s3_server.bucket}/a?")


@pytest.mark.parametrize(
    ("filename", "plain", "encoded"),
    [
        ("book.m4b", "book.m4b", "book.m4b"),
        ('a"b\\c/d.mp3', "a_b_c_d.mp3", "a_b_c_d.mp3"),
        ("line\r\nSet-Cookie: x=1.mp3", "line__Set-Cookie: x=1.mp3", "line__Set-Cookie%3A%20x%3D1.mp3"),
        ("変身 100%.m4b", "__ 100_.m4b", "%E5%A4%89%E8%BA%AB%20100%25.m4b"),
    ],
)
def test_attachment_is_one_safe_header(filename: str, plain: str, encoded: str) -> None:
    assert attachment(filename) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


# -- chaos -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_s3_with_faults_never_accepts_a_corrupt_object(
    s3_server: S3Account, tmp_path: Path, seed: int
) -> None:
    """20 % errors, resets, truncations and stalls, 1 % wrong bytes; four threads, objects of 0 to 20 MB."""
    faults = Faults(errors=0.1, resets=0.06, truncations=0.02, stalls=0.02, wrong_bytes=0.01, stall_seconds=3)
    sizes = random.Random(seed)
    wanted = {f"o/{n:03}": noise(sizes.choice([0, 1, 900, 70_000, 400_000]), n) for n in range(120)}
    wanted["o/large"] = noise(20 * MIB, seed)
    with FaultProxy(s3_server.endpoint, faults, seed=seed) as proxy:
        store = open_objects(
            s3_server.url,
            options_for(s3_server, endpoint=proxy.endpoint, read_seconds=0.7, patience_seconds=60),
        )

        def round_trip(key: str) -> str:
            stored = store.put(key, wanted[key], media_type=BINARY)
            assert store.get(key, sha256=stored.sha256) == wanted[key]
            store.fetch(key, tmp_path / key.replace("/", "-"), sha256=stored.sha256)
            return stored.sha256

        with ThreadPoolExecutor(4) as pool:
            digests = dict(zip(wanted, pool.map(round_trip, wanted), strict=True))
        struck = sum(n for what, n in proxy.counts.items() if what not in {"requests", "bytes"})
        assert struck > 0.1 * proxy.counts["requests"], proxy.counts
        assert proxy.counts["wrong bytes sent"] + proxy.counts["wrong bytes received"] > 0, proxy.counts
    direct = open_objects(s3_server.url, options_for(s3_server))
    assert [head.key for head in direct.list()] == sorted(wanted)
    for key, digest in digests.items():
        assert direct.get(key, sha256=digest) == wanted[key]
    n_left = direct.sweep(older_than_seconds=-60)
    # Of an upload that was opened and told of to nobody only the sweep knows; one object here has parts.
    assert n_left <= 1, "uploads were left open"
    assert direct.sweep(older_than_seconds=-60) == 0


def test_fault_proxy_draws_the_same_faults_for_the_same_seed() -> None:
    faults = Faults(errors=0.2, resets=0.1, wrong_bytes=0.05)
    draws = []
    for seed in (1, 1, 2):
        source = random.Random(seed)
        draws.append([faults.draw(source) for _ in range(2_000)])
    assert draws[0] == draws[1] != draws[2]
    share = {name: draws[0].count(name) / 2_000 for name in ("errors", "resets", "wrong_bytes", "stalls")}
    assert share == pytest.approx({"errors": 0.2, "resets": 0.1, "wrong_bytes": 0.05, "stalls": 0}, abs=0.03)


def test_retries_of_many_do_not_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.objects import faults

    pauses: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", pauses.append)
    for failures in range(1, 12):
        faults.pause(failures)
    assert max(pauses) <= 8
    assert all(a != b for a, b in pairwise(pauses))
