"""The plan step: a source becomes a book, its chapters become scripts, and the ledger learns what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from book.errors import BookError
from book.read import read
from book.select import select
from book.structure import Book, Chapter, Matter
from jobs.ledger.values import Claim, PlannedChapter, Stored
from jobs.messages import Knock
from jobs.specs import NarrationSpec
from models_store import scripts
from models_store.manifest import VoiceManifest
from models_store.options import lexicon_for, sampling_for
from models_store.scripts import Script, freeze
from speech.text.lexicon import Lexicon
from speech.text.script import read as read_script
from speech.voice import Sampling
from worker.files import store
from worker.foreign import Foreign
from worker.workshop import Workshop


def plan(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step; returns the knocks now due.

    Raises:
        BookError: the source cannot be read, or nothing of it is left to narrate.
        VoiceError: the tenant has no such voice, or it is cloned and may not speak.
        OptionError: a setting or an entry of the lexicon is of no use to the voice.
        UnreadableTextError: words of a language that the voice does not speak, or of none.
        LimitReachedError: it is longer than what the tenant may still have read today.
    """
    spec = NarrationSpec.model_validate(claim.spec)
    shelf = workshop.shelf.of(claim.tenant_id)
    manifest = shelf.resolve(spec.voice)
    shelf.require_consent(manifest)
    sampling, lexicon = sampling_for(manifest, spec), lexicon_for(manifest, spec)
    found = _read(workshop, spec)
    book = _overridden(found, spec)
    languages = {"und": book.language, found.language: book.language}  # a phrase in another stays in it
    foreign = Foreign(manifest, book.language, as_book=spec.foreign == "as-book")
    matter = frozenset({Matter.BODY, *(Matter(part) for part in spec.matter)})
    chapters = [
        planned
        for chapter in select(book, chapters=spec.chapters, matter=matter)
        if (planned := _plan_chapter(workshop, claim, chapter, languages, foreign, sampling, lexicon))
        is not None
    ]
    if not chapters:
        raise BookError(f"{book.title}: there is nothing in it to read aloud")
    n_characters = sum(chapter.n_characters for chapter in chapters)
    workshop.insist(
        lambda: workshop.ledger.jobs.check_characters(claim.tenant_id, claim.job_id, n_characters)
    )
    cover = _store_cover(workshop, claim, book)
    return workshop.insist(
        lambda: workshop.ledger.steps.plan(
            claim,
            title=book.title,
            chapters=chapters,
            weights_digest=manifest.weights_digest,
            chunk_utterances=workshop.settings.chunk_utterances,
            artefacts=[cover] if cover else [],
            result=_result(book, spec, manifest, cover),
        )
    )


def _read(workshop: Workshop, spec: NarrationSpec) -> Book:
    with workshop.scratch() as folder:
        path = folder / f"source{PurePath(spec.source.name).suffix.lower()[:10]}"
        workshop.objects.fetch(spec.source.key, path, sha256=spec.source.sha256)
        return read(path)


def _overridden(book: Book, spec: NarrationSpec) -> Book:
    """The book with what the spec says of it in place of what the file says."""
    return replace(
        book,
        title=spec.title or _title(book, spec),
        authors=book.authors if spec.authors is None else spec.authors,
        language=spec.language or book.language,
    )


def _title(book: Book, spec: NarrationSpec) -> str:
    return PurePath(spec.source.name).stem if book.title in {"", "source"} else book.title


def _plan_chapter(
    workshop: Workshop,
    claim: Claim,
    chapter: Chapter,
    languages: dict[str, str],
    foreign: Foreign,
    sampling: Sampling,
    lexicon: Lexicon,
) -> PlannedChapter | None:
    """The chapter with its script stored; None if there is nothing to say in it."""
    blocks = [
        (block.kind.value, [(text, languages.get(tag, tag)) for text, tag in block.spans])
        for block in chapter.blocks
    ]
    utterances, remarks = foreign.settle(read_script(blocks), chapter.title)
    if not utterances:
        return None
    script = Script.write(
        utterances, voice=foreign.manifest, sampling=sampling, lexicon=lexicon, remarks=remarks
    )
    stored = store(
        workshop.objects,
        freeze(script),
        folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
        kind="script",
        media_type=scripts.MEDIA_TYPE,
        suffix=".json",
    )
    return PlannedChapter(
        title=chapter.title,
        n_characters=sum(len(utterance.text) for utterance in utterances),
        n_utterances=len(utterances),
        script=stored,
    )


def _store_cover(workshop: Workshop, claim: Claim, book: Book) -> Stored | None:
    if book.cover is None:
        return None
    return store(
        workshop.objects,
        book.cover.content,
        folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
        kind="source",
        media_type=book.cover.media_type,
        name="cover",
        suffix=".jpg" if book.cover.media_type == "image/jpeg" else ".png",
    )


def _result(
    book: Book, spec: NarrationSpec, manifest: VoiceManifest, cover: Stored | None
) -> dict[str, object]:
    """What master and bind need to know of the book."""
    return {
        "title": book.title,
        "authors": list(book.authors),
        "language": book.language,
        "publisher": book.publisher,
        "published": book.published,
        "description": book.description,
        "narrator": spec.narrator or manifest.name,
        "voice": {
            "name": manifest.name,
            "version": manifest.version,
            "family": manifest.family,
            "weights": manifest.weights_digest,
            "licence": manifest.licence,
        },
        "cover": None
        if cover is None
        else {"key": cover.key, "sha256": cover.sha256, "media_type": cover.media_type},
        "left_out": [{"what": entry.what, "reason": entry.reason} for entry in book.left_out],
    }
