from __future__ import annotations

import zipfile
from pathlib import Path

from cli.demo import SOURCE, build


def test_the_demo_book_is_an_epub_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = (build(SOURCE, tmp_path / name / "demo.epub") for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        mimetype, *others = archive.infolist()
        assert (mimetype.filename, mimetype.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read(mimetype) == b"application/epub+zip"
        assert {"META-INF/container.xml", "OEBPS/package.opf"} <= {member.filename for member in others}
