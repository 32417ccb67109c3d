"""Downloads: every byte arrives once, whatever breaks on the way, and nothing wrong is kept."""

from __future__ import annotations

import hashlib
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models_store.hub.digest import Digest, sha256_of
from models_store.hub.download import Downloads, Wanted
from models_store.hub.errors import HubError, HubInputError, StoppedError, TransientError
from models_store.hub.patience import Patience, seconds_of
from models_store.hub.protocol import Hub
from tests.models_store.hub.server import Fault, LocalHub, local_hub

REPOSITORY = "somebody/weights"
COMMIT = "c0ffee" + "0" * 34
LARGE = random.Random(1).randbytes(200_000)
FILES = {"a=b/large.bin": LARGE, "second.bin": LARGE[:50_000], "small.json": b'{"width": 16}'}
QUICK = Patience(tries=3, first_seconds=0.01, longest_seconds=0.05, most_asked_seconds=2.0)


class Watched:
    def __init__(self) -> None:
        self.expected = self.arrived = 0
        self.lock = threading.Lock()

    def expect(self, n_bytes: int) -> None:
        self.expected += n_bytes

    def advance(self, n_bytes: int) -> None:
        with self.lock:
            self.arrived += n_bytes

    found = advance

    def line(self, text: str) -> None:
        raise AssertionError(text)


@pytest.fixture
def server() -> Iterator[LocalHub]:
    with local_hub() as hub:
        hub.publish(REPOSITORY, COMMIT, FILES)
        yield hub


@pytest.fixture
def hub(server: LocalHub) -> Iterator[Hub]:
    client = Hub(server.address)
    yield client
    client.close()


Start = Callable[..., Watched]


@pytest.fixture
def start(hub: Hub, tmp_path: Path) -> Start:
    """Downloads files of the server into the test's folder."""

    def run(*paths: str, patience: Patience = QUICK, halted: threading.Event | None = None) -> Watched:
        watched = Watched()
        wanted = []
        for path in paths or FILES:
            announced = hub.announced(REPOSITORY, COMMIT, path)
            assert announced.digest
            wanted.append(Wanted(path, announced.n_bytes, announced.digest))
        Downloads(hub, REPOSITORY, COMMIT, tmp_path, patience, watched, halted or threading.Event()).run(
            wanted
        )
        return watched

    return run


def assert_arrived(folder: Path, *paths: str) -> None:
    for path in paths or FILES:
        assert (folder / path).read_bytes() == FILES[path]
    assert not list(folder.rglob("*.part"))


def test_everything_arrives_once(server: LocalHub, start: Start, tmp_path: Path) -> None:
    watched = start()
    assert_arrived(tmp_path)
    assert dict(server.bytes_sent) == {path: len(content) for path, content in FILES.items()}
    assert watched.arrived == watched.expected == sum(len(content) for content in FILES.values())


def test_no_second_protocol_and_no_credentials(server: LocalHub, start: Start) -> None:
    start()
    assert not [asked for asked in server.asked if "xet" in asked.path or "agent" in asked.path]
    assert {"authorization", "cookie", "x-amzn-trace-id"}.isdisjoint(
        name for asked in server.asked for name in asked.headers
    )
    assert all(asked.headers["user-agent"].startswith("lectorium/") for asked in server.asked)


def test_a_cut_connection_is_taken_up_where_it_broke(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.faults["a=b/large.bin"] = [Fault(cut_at=70_000), Fault(cut_at=70_000)]
    watched = start("a=b/large.bin")
    assert_arrived(tmp_path, "a=b/large.bin")
    assert server.bytes_sent["a=b/large.bin"] == len(LARGE)
    assert watched.arrived == len(LARGE)
    ranges = [asked.headers.get("range") for asked in server.asked if asked.method == "GET"]
    assert {"bytes=70000-", "bytes=140000-"} <= set(ranges)


def test_the_next_pull_goes_on_where_the_last_one_broke(
    server: LocalHub, start: Start, tmp_path: Path
) -> None:
    server.faults["a=b/large.bin"] = [Fault(cut_at=120_000), *[Fault(status=503)] * 3]
    with pytest.raises(TransientError, match=r"a=b/large.bin: 127.0.0.1 answers 503 .*; tried 3 times"):
        start("a=b/large.bin")
    assert (tmp_path / "a=b" / "large.bin.part").stat().st_size == 120_000
    watched = start("a=b/large.bin")
    assert_arrived(tmp_path, "a=b/large.bin")
    assert server.bytes_sent["a=b/large.bin"] == len(LARGE)
    assert watched.arrived == len(LARGE)


def test_what_is_there_is_checked_and_not_sent_again(server: LocalHub, start: Start, tmp_path: Path) -> None:
    start()
    server.bytes_sent.clear()
    (tmp_path / "second.bin").write_bytes(b"changed behind our back")
    start()
    assert_arrived(tmp_path)
    assert dict(server.bytes_sent) == {"second.bin": 50_000}


def test_a_server_without_ranges_sends_it_all_again(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.faults["second.bin"] = [Fault(cut_at=20_000), Fault(whole=True)]
    watched = start("second.bin")
    assert_arrived(tmp_path, "second.bin")
    assert server.bytes_sent["second.bin"] == 70_000
    assert watched.arrived == 50_000


@pytest.mark.parametrize("n_bytes", [30_000, 60_000])
def test_a_part_of_something_else_is_given_up(
    n_bytes: int, server: LocalHub, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "second.bin.part").write_bytes(bytes(n_bytes))
    watched = start("second.bin")
    assert_arrived(tmp_path, "second.bin")
    assert watched.arrived == 50_000


def test_a_wrong_digest_keeps_nothing(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.lies["second.bin"] = bytes(50_000)
    digest = hashlib.sha256(FILES["second.bin"]).hexdigest()
    with pytest.raises(HubError, match=f"second.bin: what arrived is not .* {digest[:12]}…; nothing of it"):
        start("second.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_small_file_is_checked_by_its_git_name(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.lies["small.json"] = b'{"width": 17}'
    with pytest.raises(HubError, match=r"small.json: what arrived is not the file it should be"):
        start("small.json")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(status: int, server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.faults["second.bin"] = [Fault(status=status), Fault(status=status)]
    start("second.bin")
    assert_arrived(tmp_path, "second.bin")


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {"RateLimit": '"resolvers";r=0;t=1'}])
def test_the_hub_is_left_alone_as_long_as_it_wants(
    headers: dict[str, str], server: LocalHub, start: Start, tmp_path: Path
) -> None:
    server.faults["second.bin"] = [Fault(status=429, headers=headers)]
    began_at = time.monotonic()
    start("second.bin")
    assert time.monotonic() - began_at >= 1.0
    assert_arrived(tmp_path, "second.bin")


def test_too_long_a_wait_is_an_error(server: LocalHub, start: Start) -> None:
    server.faults["second.bin"] = [Fault(status=429, headers={"Retry-After": "7200"})]
    with pytest.raises(TransientError, match="answers 429 Too Many Requests; it asks to come back in 7200 s"):
        start("second.bin")


def test_a_retry_after_may_be_a_date() -> None:
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert seconds_of("Wed, 21 Oct 2950 07:28:00 GMT") > 1e6  # type: ignore[operator]
    assert seconds_of("soon") is None
    assert seconds_of(None) is None


def test_a_slow_hub_is_waited_for(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.faults["second.bin"] = [Fault(pause_seconds=0.005)]
    start("second.bin")
    assert_arrived(tmp_path, "second.bin")


def test_a_stop_leaves_what_has_arrived(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.faults["a=b/large.bin"] = [Fault(pause_seconds=0.01)]
    halted = threading.Event()
    stop = threading.Timer(0.4, halted.set)
    stop.start()
    with pytest.raises(StoppedError):
        start("a=b/large.bin", halted=halted)
    stop.join()
    assert 0 < (tmp_path / "a=b" / "large.bin.part").stat().st_size < len(LARGE)
    server.bytes_sent.clear()
    start("a=b/large.bin")
    assert_arrived(tmp_path, "a=b/large.bin")
    assert server.bytes_sent["a=b/large.bin"] < len(LARGE)


def test_a_missing_file_and_a_missing_revision_are_told_apart(hub: Hub) -> None:
    with pytest.raises(HubInputError, match=r"other.bin: the repository has no such file at this revision"):
        hub.announced(REPOSITORY, COMMIT, "other.bin")
    with pytest.raises(HubInputError, match=r"small.json: the hub has no such revision"):
        hub.announced(REPOSITORY, "d" * 40, "small.json")
    with pytest.raises(HubInputError, match="somebody/weights at v9: the hub has no such revision"):
        hub.commit_of(REPOSITORY, "v9")
    with pytest.raises(HubInputError, match="nobody/nothing at main: the hub has no such repository"):
        hub.commit_of("nobody/nothing", "main")


def test_a_branch_is_a_commit(hub: Hub) -> None:
    assert hub.commit_of(REPOSITORY, "main") == COMMIT


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    client = Hub("http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"small.json: .*refused"):
        client.announced(REPOSITORY, COMMIT, "small.json")
    client.close()


@pytest.mark.parametrize("address", ["ftp://hub", "hub.example", "https://"])
def test_an_address_must_be_one(address: str) -> None:
    with pytest.raises(HubInputError, match="is no http:// or https:// address"):
        Hub(address)


def test_too_small_a_disk_is_told_before(start: Start, hub: Hub, tmp_path: Path, server: LocalHub) -> None:
    wanted = [Wanted("second.bin", 1 << 60, Digest("0" * 64))]
    downloads = Downloads(
        hub, REPOSITORY, COMMIT, tmp_path / "new" / "folder", QUICK, Watched(), threading.Event()
    )
    with pytest.raises(HubError, match=r"GB are needed there, .* GB are free"):
        downloads.run(wanted)
    assert not server.bytes_sent


FULL_DISK = """
import resource, sys, threading
from pathlib import Path
from models_store.hub.digest import Digest
from models_store.hub.download import Downloads, Wanted
from models_store.hub.errors import HubError
from models_store.hub.patience import Patience
from models_store.hub.protocol import Hub
from tests.models_store.hub.test_download import COMMIT, REPOSITORY, Watched
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
hub = Hub(sys.argv[1])
said = hub.announced(REPOSITORY, COMMIT, "a=b/large.bin")
wanted = Wanted("a=b/large.bin", said.n_bytes, said.digest)
try:
    folder, halted = Path(sys.argv[2]), threading.Event()
    Downloads(hub, REPOSITORY, COMMIT, folder, Patience(), Watched(), halted).run([wanted])
except HubError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_one_line(server: LocalHub, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, server.address, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == f"{tmp_path / 'a=b' / 'large.bin.part'}: File too large\n"
    assert (tmp_path / "a=b" / "large.bin.part").stat().st_size == 65_536
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 65_536


def test_a_file_in_the_way_is_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a=b").write_bytes(b"")
    with pytest.raises(HubError, match=r"a=b: (File exists|Not a directory)"):
        start("a=b/large.bin")


def test_one_wrong_file_stops_the_others(server: LocalHub, start: Start, tmp_path: Path) -> None:
    server.lies["second.bin"] = bytes(50_000)
    server.faults["a=b/large.bin"] = [Fault(pause_seconds=0.02)]
    with pytest.raises(HubError, match=r"second.bin: what arrived"):
        start()
    assert not (tmp_path / "a=b" / "large.bin").exists()
    assert server.bytes_sent["a=b/large.bin"] < len(LARGE)


def test_digests_of_both_kinds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello\n")
    assert sha256_of(path) == hashlib.sha256(b"hello\n").hexdigest()
    blob = Digest.of_etag('W/"ce013625030ba8dba906f756967f9e9ca394464a"')  # git hash-object says so
    assert blob
    assert blob.fits(path)
    assert Digest.of_etag('"0-1"') is None
