"""assets/scenes is what backgrounds.json and the README say; the fetching script runs on a small package made here."""
import contextlib
import hashlib
import io
import json
import lzma
import struct
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "assets" / "scenes"
sys.path.insert(0, str(ROOT / "scripts"))
import fetch_backgrounds  # noqa: E402


class Listed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.description = json.loads((SCENES / "backgrounds.json").read_text())

    def test_splits_are_disjoint(self):
        photos = self.description["photographs"]
        counts = {split: sum(photo["split"] == split for photo in photos) for split in fetch_backgrounds.SPLITS}
        self.assertEqual(counts, {"train": 21, "val": 6, "test": 8})
        for key in ("name", "sha256"):
            self.assertEqual(len({photo[key] for photo in photos}), len(photos), key)
        fetch_backgrounds.check_list(self.description)

    def test_a_list_with_a_leak_is_refused(self):
        for change in ({"split": "train"}, {"name": "other.jpg", "split": "train"}, {"licence": "GPL-2+"}):
            photos = list(self.description["photographs"])
            photos.append({**photos[-1], "name": "new.jpg", "sha256": "0", **change} if "licence" in change
                          else {**photos[-1], **change})
            with self.assertRaises(SystemExit):
                fetch_backgrounds.check_list({"photographs": photos})


class Scenes(unittest.TestCase):
    def test_files(self):
        scenes = json.loads((SCENES / "scenes.json").read_text())
        names = [image["file_name"] for image in scenes["images"]]
        self.assertEqual(names, sorted(path.name for path in SCENES.glob("*.jpg")))
        self.assertEqual(len(names), 8)
        for name in names:
            self.assertLess((SCENES / name).stat().st_size, 150_000, name)
        self.assertEqual([category["name"] for category in scenes["categories"]], list("0123456789"))
        used = {annotation["image_id"] for annotation in scenes["annotations"]}
        self.assertEqual(used, {image["id"] for image in scenes["images"]})

    def test_every_photograph_of_a_scene_is_attributed(self):
        attribution = (ROOT / "assets" / "ATTRIBUTION").read_text()
        photos = json.loads((SCENES / "backgrounds.json").read_text())["photographs"]
        for photo in photos:
            if photo["split"] == "test":
                line = next(line for line in attribution.splitlines() if photo["name"] in line)
                self.assertIn(photo["author"], line)


def small_deb(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, contents in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    deb = b"!<arch>\n"
    for name, contents in (("debian-binary", b"2.0"), ("data.tar.xz", lzma.compress(data.getvalue()))):
        deb += struct.pack("16s12s6s6s8s10s2s", name.encode().ljust(16), *[b"0".ljust(n) for n in (12, 6, 6, 8)],
                           str(len(contents)).encode().ljust(10), b"`\n") + contents + b"\n" * (len(contents) % 2)
    return deb


class Fetching(unittest.TestCase):
    def run_script(self, folder, deb, photos):
        packages = folder / "packages"
        packages.mkdir(exist_ok=True)
        (packages / "p.deb").write_bytes(deb)
        description = {"packages": [{"name": "p", "version": "1", "kind": "debian", "file": "p.deb",
                                     "sha256": hashlib.sha256(deb).hexdigest()}], "photographs": photos}
        (folder / "list.json").write_text(json.dumps(description))
        said = io.StringIO()
        arguments = ["fetch", "--output", str(folder / "out"), "--packages", str(packages)]
        with mock.patch.object(fetch_backgrounds, "LIST", folder / "list.json"), \
                mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(said):
            fetch_backgrounds.main()
        return said.getvalue()

    def test_run(self):
        pictures = {"usr/a.jpg": b"one", "usr/b.jpg": b"two"}
        photos = [{"name": Path(path).name, "split": split, "package": "p", "path": path, "licence": "CC0-1.0",
                   "sha256": hashlib.sha256(contents).hexdigest()}
                  for (path, contents), split in zip(pictures.items(), ("train", "test"))]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            self.assertIn("1 train, 0 val, 1 test", self.run_script(folder, small_deb(pictures), photos))
            self.assertEqual((folder / "out/test/b.jpg").read_bytes(), b"two")
            self.assertIn("complete", self.run_script(folder, small_deb(pictures), photos))
            (folder / "out/train/stray.jpg").write_bytes(b"x")
            with self.assertRaisesRegex(SystemExit, "stray.jpg: not part"):
                self.run_script(folder, small_deb(pictures), photos)
            (folder / "out/train/stray.jpg").unlink()
            (folder / "out/train/a.jpg").unlink()
            with self.assertRaisesRegex(SystemExit, "usr/a.jpg is missing or not the picture"):
                self.run_script(folder, small_deb({**pictures, "usr/a.jpg": b"other"}), photos)


if __name__ == "__main__":
    unittest.main()
