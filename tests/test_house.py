"""The rules of the house that no other tool checks: words, borders, tree, settings, pins, licences."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jobs.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("speech", "book", "jobs", "models_store", "worker", "api", "cli", "starter", "migrations")

BANNED_WORDS = {
    *("segment", "clip", "piece", "item", "speaker", "data", "info", "context", "session"),
    *("helper", "util", "common", "misc", "manager", "task"),
}
NAMES_ALLOWED = {
    "_DATA_URI": "RFC 2397's own name",
    "_kill_session": "POSIX calls it so",
    "data_folder": "espeak-ng calls it so",
    **dict.fromkeys(("_PIECE_BYTES", "piece_bytes"), "book/readers/archive.py; to become block bytes"),
    **dict.fromkeys(("_COMMON", "common", "_common_types"), "the adjective: the most common of several"),
}
WORDS_ALLOWED = {
    "speaker": r"speech/.*",  # the speaker backbone and the speaker embedding are what the papers call them
    "task": r"worker/.*",  # Celery's
}
ENVIRONMENT_READERS = {
    "jobs/settings.py": "the one reader",
    "cli/crew.py": "hands it on whole to child processes",
}
PICKLE_READERS = {
    "models_store/upstream/container.py": "upstream's voices, in a process that can do no harm",
}
REGISTRY_NAMERS = {"setup/pytorch.py": "PyTorch's CPU builds are in no other index"}
OPTIONAL_GPL = {"worker", "draft", "neural", "dev"}
"""The extras that may bring GPL packages: who installs them chooses to."""


def tracked_files(*names: str) -> list[Path]:
    """The files git knows or would add, below these names."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


@cache
def sources() -> dict[str, ast.Module]:
    """Every Python file of the rooms, parsed, by its path from the root."""
    paths = [path for path in tracked_files(*ROOMS) if path.suffix == ".py"]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name the file itself gives, with its line: what it imports or calls keeps its own name."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str()):
                yield node.lineno, node.asname


def words_of(name: str) -> set[str]:
    """A name's words in lower case and in the singular: `n_dataItems` is n, data, item."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {word for part in parts for word in (part.lower(), part.lower().removesuffix("s"))}


def test_imports_go_down_only() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(linter)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_words_of_a_name_are_found() -> None:
    assert words_of("n_dataItems") >= {"n", "data", "item"}
    assert "data" not in words_of("Metadata") | words_of("read_metadata")
    assert {"speaker", "encoder"} <= words_of("SpeakerEncoder")
    assert "util" in words_of("utils")


def test_no_name_uses_a_banned_word() -> None:
    found = []
    for file, tree in sources().items():
        given = [*names_in(tree), *((0, part) for part in Path(file).with_suffix("").parts)]
        found += [
            f"{file}:{line}: {name} ({word})"
            for line, name in given
            for word in words_of(name) & BANNED_WORDS
            if name not in NAMES_ALLOWED and not re.fullmatch(WORDS_ALLOWED.get(word, ""), file)
        ]
    assert not found, "\n".join(found)


def test_the_environment_is_read_in_one_place() -> None:
    found = [
        f"{file}:{node.lineno}"
        for file, tree in sources().items()
        if file not in ENVIRONMENT_READERS
        for node in ast.walk(tree)
        if _reads_environment(node)
    ]
    assert not found, "\n".join(found)


def _reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "getenvb"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return bool({alias.name for alias in names} & {"environ", "environb", "getenv", "getenvb"})
    return False


def test_nothing_runs_what_it_reads() -> None:
    """No shell, no pickle, no eval: 0 places outside those named above."""
    found = [
        f"{file}:{node.lineno}: {why}"
        for file, tree in sources().items()
        for node in ast.walk(tree)
        if (why := _danger(node)) and not (why == "pickle" and file in PICKLE_READERS)
    ]
    assert not found, "\n".join(found)


def _danger(node: ast.AST) -> str | None:
    modules = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    match node:
        case ast.keyword(arg="shell", value=value) if not (
            isinstance(value, ast.Constant) and value.value is False
        ):
            return "shell"
        case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen"):
            return "shell"
        case ast.Import(names=names) if {alias.name.split(".")[0] for alias in names} & modules:
            return "pickle"
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in modules:
            return "pickle"
        case ast.Attribute(value=ast.Name(id="torch"), attr="load"):
            return "pickle"
        case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" | "__import__")):
            return "eval"
    return None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("subprocess.run(x, shell=True)", "shell"),
        ("os.system(x)", "shell"),
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("torch.load(x)", "pickle"),
        ("eval(x)", "eval"),
        ("model.eval()", None),
        ("re.compile(x)", None),
        ("subprocess.run(x, shell=False)", None),
    ],
)
def test_dangers_are_recognised(line: str, why: str | None) -> None:
    found = {danger for node in ast.walk(ast.parse(line)) if (danger := _danger(node))}
    assert found == ({why} if why else set())


def test_no_file_names_a_machine_or_a_registry() -> None:
    machine = re.compile(
        r"(?<![\w.])/[a-z]+/(main|shared)\b|/root/|/opt/(?!lectorium)|\bshared/(design|reference)\b"
    )
    registry = re.compile(
        r"\b(pypi\.org|pythonhosted\.org|npmjs\.(org|com)|download\.pytorch\.org|huggingface\.co/)"
    )
    found = []
    for path in tracked_files():
        file = str(path.relative_to(ROOT))
        if file == "tests/test_house.py" or path.suffix in {
            ".png",
            ".jpg",
            ".epub",
            ".safetensors",
            ".wav",
            ".flac",
        }:
            continue
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        ):
            if machine.search(line) or (registry.search(line) and file not in REGISTRY_NAMERS):
                found.append(f"{file}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_settings_named_in_documents_exist() -> None:
    found = []
    for path in tracked_files(
        "README.md", "CHANGELOG.md", "docs", "docker", "demo", "Makefile", ".github", ".ci"
    ):
        for name in re.findall(
            r"LECTORIUM_([A-Z0-9_]*[A-Z0-9])", path.read_text(encoding="utf-8", errors="replace")
        ):
            field = name.lower()
            if not {field, field.removesuffix("_file")} & set(Settings.model_fields):
                found.append(f"{path.relative_to(ROOT)}: LECTORIUM_{name}")
    assert not found, "\n".join(found)


def test_readme_tree_is_the_disk() -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("no README.md yet")
    blocks = re.findall(
        r"^```\w*\n(.*?)^```", readme.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    trees = [block for block in blocks if len(re.findall(r"^[\w.-]+/", block, flags=re.MULTILINE)) >= 4]
    if not trees:
        pytest.skip("README.md shows no tree")
    # A line is one or more names, two spaces, what they are; names below a folder are not checked.
    shown = {
        name
        for line in trees[0].splitlines()
        for name in re.split(r"\s{2,}", line)[0].split()
        if not line.startswith((" ", "#", "│", "├", "└"))
    }
    assert [name for name in shown if not (ROOT / name).exists()] == [], "the README shows what is not there"
    folders = {f"{path.relative_to(ROOT).parts[0]}/" for path in tracked_files() if path.parent != ROOT}
    unseen = {folder for folder in folders if not folder.startswith(".")} - shown
    assert not unseen, f"the README's tree lacks {sorted(unseen)}"


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in tracked_files("tests") if path.name.startswith("test_")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_requirement_is_pinned_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert not [name for name, version in pins.items() if "+" in version], (
        "a local version fits one machine only"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in chain(project["dependencies"], *project["optional-dependencies"].values()):
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} is not in constraints.txt: make constraints"
        assert wanted.specifier.contains(pins[name]), f"constraints.txt pins {name}=={pins[name]}, not {line}"


def test_the_forge_calls_make_targets_that_exist() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    scripts = [*tracked_files(".ci"), *tracked_files(".github/workflows")]
    called = {
        name for path in scripts for name in re.findall(r"\bmake ([a-z]+)", path.read_text(encoding="utf-8"))
    }
    assert "test" in called
    assert called <= targets
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def licences() -> ModuleType:
    """The script that writes docs/licences.md."""
    spec = importlib.util.spec_from_file_location("licences", ROOT / "setup" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_licences_are_listed_and_the_core_is_not_gpl() -> None:
    script = licences()
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("not every extra is installed: make test")
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \| (.*) \| (.*) \|$", script.PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = {name: (licence, parts.split(", ")) for name, licence, parts in rows}
    for name, parts in script.brought_by().items():
        if name.startswith(("nvidia-", "cuda-", "triton")):  # come with CUDA's build of torch alone
            continue
        assert name in listed, f"{name} is not in docs/licences.md: make licences"
        licence = script.licence_of(name)
        assert listed[name] == (licence, sorted(parts)), (
            f"docs/licences.md is out of date at {name}: make licences"
        )
        if re.search(r"\bA?GPL", licence):
            assert parts <= OPTIONAL_GPL, f"{name} is {licence}, and not in an optional extra alone"
