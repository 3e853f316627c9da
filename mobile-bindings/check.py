#!/usr/bin/env python3
"""Cheap checks of the packages: mobile-bindings/check.py [--update].

1. The C header compiles; header, library and Swift file name the same functions.
2. The public surface of each language is that of `api/*.txt`, and the changelog names each file's digest. `--update` writes the files;
   the changelog is for people to write.
3. Every package has the version of the workspace.

Everything that is generated is generated anew from the library that cargo has built. It needs a C compiler, `nm` and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
BUILT = TARGET / os.environ.get("LASTMILE_PROFILE", "debug")
LIBRARY = BUILT / "deps" / "liblastmile_mobile.so"
GENERATED = TARGET / "bindings" / "check"

failures: list[str] = []


def fail(text: str) -> None:
    failures.append(text)


def run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(word) for word in words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def generate(language: str) -> Path:
    folder = GENERATED / language
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(BUILT / "lastmile-bindgen", "generate", LIBRARY, "--language", language, "--no-format",
        "--config", HERE / "uniffi.toml", "--out-dir", folder)  # fmt: skip
    return folder


# The C interface.


def check_symbols(swift: Path) -> None:
    header = swift / "LastmileFFI.h"
    run("cc", "-std=c11", "-D_Nonnull=", "-D_Nullable=", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
        "-include", header, "/dev/null")  # fmt: skip
    name = r"\b((?:uniffi|ffi)_lastmile_mobile_\w+)"
    declared = set(re.findall(name + r"\(", header.read_text()))
    exported = set(re.findall(r" T (\w+)", run("nm", "-D", "--defined-only", LIBRARY)))
    exported = {symbol for symbol in exported if re.match(r"(uniffi|ffi)_lastmile_mobile_", symbol)}
    used = set(re.findall(name, (swift / "LastmileCore.swift").read_text()))
    for text, symbols in [
        ("in the header and not in the library", declared - exported),
        ("in the library and not in the header", exported - declared),
        ("used by Swift and not in the header", used - declared),
    ]:
        if symbols:
            fail(f"functions {text}: {' '.join(sorted(symbols))}")
    if len(declared) < 50:
        fail(f"only {len(declared)} functions were found in the header")


# The public surface.


def uncommented(text: str) -> str:
    """The text of a Kotlin or Swift file without comments and annotations."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"(?m)^\s*//.*$|\s//.*$", "", text)
    return re.sub(r"@\w+(\([^()]*\))?\s*", "", text)


def one_line(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ?\( ?", "(", text).replace(" ,", ",").replace("`", "")
    return re.sub(r",? ?([)\]])", r"\1", re.sub(r"\[ ", "[", text))


INNER = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"


def block(text: str, start: int) -> str:
    """What stands between the braces that open first after this place."""
    opening = text.index("{", start)
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[opening + 1 : place]
    return ""


def kotlin_core(text: str) -> list[str]:
    """The data that the generated classes carry; the objects stay behind the package."""
    text = uncommented(text)
    said = [one_line(found) for found in re.findall(rf"(?m)^data class \w+\s*{INNER}", text)]
    for kind, name in re.findall(r"(?m)^(sealed class|enum class|public interface) (\w+)", text):
        inside = block(text, re.search(rf"(?m)^{kind} {name}\b", text).end())
        if name.startswith(("Uniffi", "FfiConverter")) or name.endswith("Interface"):
            continue
        said.append(f"{kind} {name}")
        if kind == "enum class":
            said += [f"  {name}.{entry}" for entry in re.findall(r"\b([A-Z][A-Z0-9_]*)\b(?=\s*[,;(])", inside.split(";")[0] + ";")]
        elif kind == "sealed class":
            nested = re.findall(rf"(?:data )?class (\w+)\s*({INNER})|object (\w+)", inside)
            said += [f"  {name}." + one_line(f"{of}{fields}{alone}") for of, fields, alone in nested if of + alone not in ("ErrorHandler", "Companion")]
        else:
            said += [f"  {name}." + one_line(found) for found in re.findall(rf"(?:suspend )?fun `\w+`{INNER}(?:\s*:\s*[\w.<>?]+)?", inside)]
    # Functions of no class stand at the end.
    end = text[text.rindex("\nenum class ") :]
    said += [one_line(found) for found in re.findall(rf"(?m)^ *fun `\w+`{INNER}(?:\s*:\s*[\w.<>?]+)?", end)]
    return said


def kotlin_layer(text: str) -> list[str]:
    """Every declaration that says `public`, which the compiler demands of all that are."""
    said = []
    text = uncommented(text)
    pattern = rf"(?m)^( *)((?:abstract |open |override )*public [^\n({{=]*(?:{INNER})?[^\n{{=]*)"
    for indent, found in re.findall(pattern, text):
        said.append(" " * (len(indent) // 2) + one_line(found))
        if name := re.search(r"enum class (\w+)", found):
            entries = block(text, re.search(rf"enum class {name[1]}\b", text).end()).split(";")[0]
            said += [f"  {name[1]}.{entry}" for entry in re.findall(r'([A-Z][A-Z0-9_]*\("[^"]*"\))', entries)]
    return said


def swift_core(text: str) -> list[str]:
    text = uncommented(text)
    said = []
    for kind, name in re.findall(r"(?m)^public\s+(struct|enum|protocol)\s+(\w+)", text):
        if name.startswith("FfiConverter") or name.endswith("Protocol"):
            continue
        inside = block(text, re.search(rf"(?m)^public\s+{kind}\s+{name}\b", text).end())
        said.append(f"{kind} {name}")
        if kind == "enum":
            said += [f"  {name}." + one_line(found) for found in re.findall(rf"(?m)^ *(?:indirect )?case `?\w+`?(?:{INNER})?", inside) if "return" not in found]
        elif kind == "struct":
            said += [f"  {name}." + one_line(found) for found in re.findall(r"(?m)^ *public (?:var|let) [^\n={]+", inside)]
        else:
            said += [f"  {name}." + one_line(found) for found in re.findall(r"(?m)^ *func [^\n]+", inside)]
    said += [one_line(found) for found in re.findall(rf"(?m)^public func (?!FfiConverter|uniffi)\w+{INNER}[^\n{{]*", text)]
    return said


def swift_layer(text: str) -> list[str]:
    said = []
    for indent, found in re.findall(rf"(?m)^( *)((?:public|open) [^\n({{=]*(?:{INNER})?[^\n{{=]*)", uncommented(text)):
        said.append(" " * (len(indent) // 4) + one_line(found))
    for name in re.findall(r"(?m)^public enum (\w+)", text):
        inside = block(text, re.search(rf"(?m)^public enum {name}\b", text).end())
        said += [f"  {name}." + one_line(found) for found in re.findall(r"(?m)^ *case [^\n]+", inside)]
    return said


def python_class(node: ast.ClassDef, prefix: str = "") -> list[str]:
    name = prefix + node.name
    said = [f"class {name}({', '.join(ast.unparse(base) for base in node.bases)})"]
    for inner in node.body:
        match inner:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not inner.name.startswith("_") or inner.name in ("__init__", "__getitem__", "__anext__"):
                marks = "".join(f"@{ast.unparse(mark)} " for mark in inner.decorator_list)
                word = "async def" if isinstance(inner, ast.AsyncFunctionDef) else "def"
                back = f" -> {ast.unparse(inner.returns)}" if inner.returns else ""
                said.append(f"  {name}: {marks}{word} {inner.name}({ast.unparse(inner.args)}){back}")
            case ast.AnnAssign(target=ast.Name(id=field)) if not field.startswith("_"):
                value = f" = {ast.unparse(inner.value)}" if inner.value else ""
                said.append(f"  {name}: {field}: {ast.unparse(inner.annotation)}{value}")
            case ast.Assign(targets=[ast.Name(id=field)]) if not field.startswith("_"):
                said.append(f"  {name}: {field} = {ast.unparse(inner.value)}")
            case ast.ClassDef() if not inner.name.startswith("_"):
                said += python_class(inner, f"{name}.")
    return said


def python_surface(generated: Path) -> list[str]:
    """What `import lastmile` gives."""
    package = HERE / "python" / "lastmile"
    files = [generated / "lastmile.py", package / "_values.py", package / "_replica.py", package / "records.py"]
    known: dict[str, list[str]] = {}
    for file in files:
        for node in ast.parse(file.read_text()).body:
            match node:
                case ast.ClassDef():
                    known[node.name] = python_class(node)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
                    back = f" -> {ast.unparse(node.returns)}" if node.returns else ""
                    known[node.name] = [f"{word} {node.name}({ast.unparse(node.args)}){back}"]
    names: set[str] = set()
    for node in ast.parse((package / "__init__.py").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names |= {alias.name} if alias.name != "*" else set()
    records = ast.parse((package / "records.py").read_text()).body
    names |= {node.name for node in records if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    missing = sorted(name for name in names if name not in known)
    if missing:
        fail(f"the Python package gives what was not found: {' '.join(missing)}")
    return [line for name in sorted(names) for line in known.get(name, [])]


def layer(folder: str, ending: str, read) -> list[str]:
    said = []
    for file in sorted((HERE / folder).rglob(f"*{ending}")):
        said += read(file.read_text())
    return said


def check_surface(swift: Path, update: bool) -> None:
    kotlin = kotlin_core((generate("kotlin") / "lastmile" / "core" / "lastmile.kt").read_text())
    surfaces = {
        "kotlin": layer("kotlin/library/src/main/kotlin", ".kt", kotlin_layer) + ["", "# lastmile.core", *kotlin],
        "python": python_surface(generate("python")),
        "swift": layer("swift/Sources/Lastmile", ".swift", swift_layer)
        + ["", "# LastmileCore", *swift_core((swift / "LastmileCore.swift").read_text())],
    }
    changelog = (HERE / "CHANGELOG.md").read_text()
    newest = changelog.split("\n## ")[1]
    for language, lines in surfaces.items():
        text = "\n".join(lines) + "\n"
        file = HERE / "api" / f"{language}.txt"
        if update:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            fail(f"the public surface for {language} is another one than {file.relative_to(ROOT)} says; run mobile-bindings/check.py --update")
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        if f"{language} {digest}" not in newest:
            fail(f"the newest entry of mobile-bindings/CHANGELOG.md does not name the surface `{language} {digest}`; say there what changed")


# Versions.


def check_versions() -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    places = [
        ("python/lastmile/__init__.py", r'__version__ = "([^"]+)"'),
        ("python/pyproject.toml", r'(?m)^version = "([^"]+)"'),
        ("kotlin/library/src/main/kotlin/lastmile/Replica.kt", r'const val VERSION: String = "([^"]+)"'),
        ("swift/Sources/Lastmile/Replica.swift", r'let version = "([^"]+)"'),
    ]
    for place, pattern in places:
        file = HERE / place
        if not file.exists():
            continue
        found = re.search(pattern, file.read_text())
        if found is None or found[1] != version:
            fail(f"{place} is of version {found and found[1]}, the workspace of {version}")


# The words of the sample apps.


def check_words() -> None:
    """Each language has the same words, and the app takes each of them."""
    android = HERE / "kotlin/sample-android/src/main"
    ios = HERE / "swift/SampleApp/Sources"
    apps = [
        (
            "sample-android",
            [android / "res/values/strings.xml", android / "res/values-en/strings.xml"],
            r'<string name="([^"]+)">',
            "".join(file.read_text() for file in [*android.rglob("*.kt"), android / "AndroidManifest.xml"]),
            lambda key: rf"(R\.string\.|@string/){key}\b",
        ),
        (
            "SampleApp",
            [ios / "zh-Hans.lproj/Localizable.strings", ios / "en.lproj/Localizable.strings"],
            r'(?m)^"([^"]+)" = ',
            "".join(file.read_text() for file in ios.rglob("*.swift")),
            # The words of errors are found by their codes.
            lambda key: '"error\\.' if key.startswith("error.") else f'"{re.escape(key)}"',
        ),
    ]
    for app, files, pattern, sources, taking in apps:
        words = [set(re.findall(pattern, file.read_text())) for file in files]
        if not words[0] or words[0] != words[1]:
            fail(f"{app}: {sorted(words[0] ^ words[1])} stand in one language only")
        for key in sorted(words[0]):
            if not re.search(taking(key), sources):
                fail(f"{app}: nothing takes the words of {key}")
        for key in sorted(set(re.findall(r"\bR\.string\.(\w+)", sources)) - words[0]):
            fail(f"{app}: there are no words for {key}")


def main() -> None:
    if not LIBRARY.exists() or not (BUILT / "lastmile-bindgen").exists():
        raise SystemExit("the library is missing; build it with `cargo build -p lastmile-mobile -p lastmile-bindgen`")
    swift = generate("swift")
    check_symbols(swift)
    check_surface(swift, "--update" in sys.argv[1:])
    check_versions()
    check_words()
    for failure in failures:
        print(f"mobile-bindings: {failure}", file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
