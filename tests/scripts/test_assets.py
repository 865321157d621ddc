"""What assets/ ships is what scripts/fetch_digits.py says: split, files, samples, label lists."""
import collections
import gzip
import hashlib
import json
import struct
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets"
sys.path.insert(0, str(ROOT / "scripts"))
import fetch_digits  # noqa: E402


def decode_png(path):
    """(width, height, pixels) of an 8-bit grey PNG whose rows use filter 0."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    position, packed = 8, b""
    while position < len(data):
        size, kind = struct.unpack(">I4s", data[position:position + 8])
        body = data[position + 8:position + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[position + 8 + size:position + 12 + size])[0], path
        if kind == b"IHDR":
            width, height, *layout = struct.unpack(">IIBBBBB", body)
            assert layout == [8, 0, 0, 0, 0], path
        packed += body if kind == b"IDAT" else b""
        position += 12 + size
    rows = zlib.decompress(packed)
    assert len(rows) == height * (width + 1) and not any(rows[::width + 1]), path
    return width, height, b"".join(rows[y * (width + 1) + 1:(y + 1) * (width + 1)] for y in range(height))


class Digits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.recorded = json.loads((ASSETS / "digits" / "split.json").read_text())
        cls.images = gzip.decompress((ASSETS / "digits" / "t1k-images-idx3-ubyte.gz").read_bytes())
        cls.labels = gzip.decompress((ASSETS / "digits" / "t1k-labels-idx1-ubyte.gz").read_bytes())

    def split(self, name):
        return [divmod(code, 10000) for code in self.recorded[name]]

    def test_disjoint_and_complete(self):
        every = [digit for name in fetch_digits.SPLITS for digit in self.split(name)]
        self.assertEqual([len(self.recorded[name]) for name in ("train", "validation", "test")], [8000, 1000, 1000])
        package = {(label, index) for label, count in enumerate(fetch_digits.CLASS_COUNTS) for index in range(count)}
        self.assertEqual(len(every), 10000)
        self.assertEqual(set(every), package)
        self.assertEqual(self.recorded["duplicate_images"], 0)

    def test_stratified(self):
        for name in ("validation", "test"):
            counts = collections.Counter(label for label, _ in self.split(name))
            for label, total in enumerate(fetch_digits.CLASS_COUNTS):
                self.assertLess(abs(counts[label] - total / 10), 1, f"{name}, class {label}")

    def test_rule(self):
        expected = {name: [list(digit) for digit in digits] for name, digits in fetch_digits.split_digits().items()}
        for name in fetch_digits.SPLITS:
            self.assertEqual([list(digit) for digit in self.split(name)], expected[name])
        self.assertEqual(self.recorded["seed"], fetch_digits.SEED)
        self.assertEqual(self.recorded["source_sha256"], fetch_digits.PACKAGE_SHA256)

    def test_files_of_each_class_are_spread(self):
        for name in fetch_digits.SPLITS:
            labels = [label for label, _ in self.split(name)]
            for start in range(0, len(labels), 250):
                self.assertGreaterEqual(len(set(labels[start:start + 250])), 10, f"{name} from {start}")

    def test_shipped_files(self):
        for name, contents in (("t1k-images-idx3-ubyte", self.images), ("t1k-labels-idx1-ubyte", self.labels)):
            self.assertEqual(hashlib.sha256(contents).hexdigest(), self.recorded["sha256_of_uncompressed"][name])
        self.assertEqual(self.images[:16], struct.pack(">IIII", 0x803, 1000, 28, 28))
        self.assertEqual(len(self.images), 16 + 1000 * 784)
        self.assertEqual(list(self.labels[8:]), [label for label, _ in self.split("test")])
        pictures = {self.images[16 + 784 * i:16 + 784 * (i + 1)] for i in range(1000)}
        self.assertEqual(len(pictures), 1000)

    def test_samples(self):
        seen = collections.Counter()
        expected = {}
        for position, label in enumerate(self.labels[8:]):
            if seen[label] < 2:
                pixels = self.images[16 + 784 * position:16 + 784 * (position + 1)]
                expected[f"{label}_{'ab'[seen[label]]}.png"] = (28, 28, pixels)
            seen[label] += 1
        found = {path.name: decode_png(path) for path in (ASSETS / "samples").iterdir() if path.name[0].isdigit()}
        self.assertEqual(len(expected), 20)
        self.assertEqual(found, expected)

    def test_write_gz_is_deterministic(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a", "b"):
                fetch_digits.write_gz(Path(folder) / name, b"digits" * 100)
            first, second = (Path(folder, name).read_bytes() for name in ("a", "b"))
        self.assertEqual(first, second)
        self.assertEqual(first[3:8], bytes(5))  # no name, no time
        self.assertEqual(gzip.decompress(first), b"digits" * 100)


class Labels(unittest.TestCase):
    def test_imagenet(self):
        text = (ASSETS / "labels" / "imagenet1k.txt").read_text(encoding="ascii")
        self.assertTrue(text.endswith("\n"))
        names = text.splitlines()
        self.assertEqual(len(names), 1000)
        self.assertEqual(len(set(names)), 1000)
        self.assertTrue(all(name and name == name.strip() for name in names))
        known = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 340: "zebra", 417: "balloon",
                 504: "coffee mug", 517: "crane", 744: "projectile", 894: "wardrobe", 999: "toilet tissue"}
        self.assertEqual({index: names[index] for index in known}, known)

    def test_digits(self):
        self.assertEqual((ASSETS / "labels" / "digits.txt").read_text().splitlines(), [str(d) for d in range(10)])

    def test_attribution_names_every_source(self):
        text = (ASSETS / "ATTRIBUTION").read_text()
        for word in ("MNIST", f"mnist {fetch_digits.VERSION}", "MIT", "torchvision", "BSD 3-Clause", "imagenet1k.txt"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
