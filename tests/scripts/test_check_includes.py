"""Every include rule, once kept and once broken, on small trees made for the purpose."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import check_includes  # noqa: E402

HEADERS = ["retention/base/error.h", "retention/kernels/decay.h", "retention/packed/linear.h", "retention/ops/masa.h",
           "retention/nn/linear.h", "vision/structures.h", "vision/row_source.h", "vision/rmt.h", "models/formats/zip.h",
           "models/tokenizers/tokenizer.h", "models/config.h",
           "models/training/trainer.h", "models/pipelines/classifier.h", "datasets/loader.h", "datasets/video/frame_source.h",
           "apps/text.h",
           "tests/support/close.h"]

KEPT = [
    ("retention/kernels/a.cpp", "retention/base/error.h"), ("retention/ops/a.cpp", "retention/kernels/decay.h"),
    ("retention/nn/a.cpp", "retention/packed/linear.h"), ("retention/nn/a.cpp", "retention/kernels/decay.h"),
    ("retention/packed/a.cpp", "dnnl.hpp"), ("retention/packed/a.cpp", "retention/kernels/decay.h"),
    ("retention/ops/a.cpp", "torch/library.h"),
    ("vision/a.cpp", "retention/nn/linear.h"), ("vision/a.cpp", "vision/structures.h"),
    ("vision/structures.h", "vector"), ("datasets/a.cpp", "vision/structures.h"),
    ("vision/row_source.h", "vision/structures.h"), ("vision/a.cpp", "vision/row_source.h"),
    ("datasets/a.h", "vision/row_source.h"), ("models/a.cpp", "vision/row_source.h"),
    ("datasets/a.cpp", "png.h"), ("datasets/a.cpp", "tiffio.h"), ("tests/a.cpp", "tiffio.h"),
    ("datasets/video/a.cpp", "datasets/loader.h"), ("datasets/video/a.cpp", "opencv2/videoio.hpp"),
    ("datasets/video/a.cpp", "libavformat/avformat.h"), ("datasets/video/detail/av.h", "libswscale/swscale.h"),
    ("models/pipelines/a.cpp", "datasets/video/frame_source.h"), ("apps/a.cpp", "datasets/video/frame_source.h"),
    ("datasets/a.cpp", "opencv2/core.hpp"), ("models/a.cpp", "models/formats/zip.h"), ("models/a.cpp", "vision/rmt.h"),
    ("models/a.cpp", "models/tokenizers/tokenizer.h"), ("models/tokenizers/a.cpp", "models/formats/zip.h"),
    ("models/tokenizers/a.cpp", "pcre2.h"), ("models/tokenizers/detail/a.cpp", "sentencepiece_processor.h"),
    ("models/a.cpp", "nlohmann/json.hpp"), ("models/config_json.h", "nlohmann/json.hpp"),
    ("models/training/a.cpp", "datasets/loader.h"), ("models/pipelines/a.cpp", "datasets/loader.h"),
    ("models/pipelines/a.cpp", "models/config.h"), ("apps/a.cpp", "models/training/trainer.h"),
    ("apps/a.cpp", "models/pipelines/classifier.h"), ("apps/a.cpp", "datasets/loader.h"),
    ("apps/a.cpp", "CLI/CLI.hpp"), ("apps/a.cpp", "apps/text.h"), ("tests/a_test.cpp", "retention/kernels/decay.h"),
    ("tests/a_test.cpp", "support/close.h"), ("tests/support/b.h", "nlohmann/json.hpp"),
]

BROKEN = [
    ("retention/base/a.cpp", "retention/kernels/decay.h", "may not include retention/kernels"),
    ("retention/kernels/a.cpp", "retention/ops/masa.h", "may not include retention/ops"),
    ("retention/packed/a.cpp", "retention/ops/masa.h", "may not include retention/ops"),
    ("retention/ops/a.cpp", "retention/nn/linear.h", "may not include retention/nn"),
    ("retention/nn/a.cpp", "vision/rmt.h", "may not include vision"),
    ("vision/a.cpp", "retention/kernels/decay.h", "may not include retention/kernels"),
    ("vision/a.cpp", "retention/packed/linear.h", "may not include retention/packed"),
    ("vision/a.cpp", "models/config.h", "may not include models"),
    ("vision/structures.h", "vision/rmt.h", "may not include vision;"),
    ("models/a.cpp", "retention/kernels/decay.h", "may not include retention/kernels"),
    ("models/a.cpp", "models/pipelines/classifier.h", "may not include models/pipelines"),
    ("models/a.cpp", "datasets/loader.h", "may not include datasets"),
    ("models/formats/a.cpp", "models/config.h", "may not include models"),
    ("models/tokenizers/a.cpp", "models/config.h", "may not include models"),
    ("models/formats/a.cpp", "models/tokenizers/tokenizer.h", "may not include models/tokenizers"),
    ("models/tokenizers/a.cpp", "torch/torch.h", "LibTorch"), ("models/tokenizers/a.h", "pcre2.h", "PCRE2"),
    ("models/a.cpp", "utf8proc.h", "PCRE2"),
    ("models/training/a.cpp", "models/pipelines/classifier.h", "may not include models/pipelines"),
    ("datasets/a.cpp", "vision/rmt.h", "may not include vision;"),
    ("datasets/a.cpp", "datasets/video/frame_source.h", "may not include datasets/video"),
    ("models/training/a.cpp", "datasets/video/frame_source.h", "may not include datasets/video"),
    ("apps/a.cpp", "retention/packed/linear.h", "may not include retention/packed"),
    ("retention/nn/a.cpp", "tests/support/close.h", "may not include tests"),
    ("retention/kernels/a.cpp", "torch/torch.h", "LibTorch"), ("retention/packed/a.cpp", "ATen/ATen.h", "LibTorch"),
    ("models/formats/a.cpp", "c10/util/Exception.h", "LibTorch"), ("datasets/a.cpp", "torch/torch.h", "LibTorch"),
    ("vision/row_source.h", "vision/rmt.h", "may not include vision;"),
    ("vision/row_source.h", "torch/torch.h", "LibTorch"), ("datasets/a.h", "png.h", "image libraries"),
    ("apps/a.cpp", "tiffio.h", "image libraries"), ("apps/a.cpp", "libavformat/avformat.h", "FFmpeg"),
    ("datasets/a.cpp", "libswscale/swscale.h", "FFmpeg"), ("datasets/video/a.h", "libavcodec/avcodec.h", "FFmpeg"),
    ("vision/structures.h", "torch/torch.h", "LibTorch"), ("models/training/a.cpp", "opencv2/core.hpp", "OpenCV"),
    ("vision/a.cpp", "opencv2/core.hpp", "OpenCV"), ("models/config.h", "nlohmann/json.hpp", "nlohmann-json"),
    ("retention/nn/a.cpp", "dnnl.hpp", "oneDNN"), ("apps/a.cpp", "oneapi/dnnl/dnnl.hpp", "oneDNN"),
    ("models/a.cpp", "CLI/CLI.hpp", "CLI11"), ("models/a.cpp", "vision/rtm.h", "no such file"),
    ("models/a.cpp", "../models/config.h", "angle brackets"), ("models/a.cpp", "./config.h", "angle brackets"),
]


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        for header in HEADERS:
            self.write(header, "#pragma once\n")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def offences(self, path, text):
        before = (self.root / path).read_text() if (self.root / path).exists() else None
        self.write(path, text)
        found, _ = check_includes.check_tree(self.root)
        (self.root / path).unlink() if before is None else self.write(path, before)
        return found

    def test_clean_tree(self):
        self.assertEqual(check_includes.check_tree(self.root), ([], len(HEADERS)))

    def test_kept(self):
        for path, target in KEPT:
            with self.subTest(path=path, target=target):
                self.assertEqual(self.offences(path, f"#include <{target}>\n"), [])

    def test_broken(self):
        for path, target, reason in BROKEN:
            with self.subTest(path=path, target=target):
                found = self.offences(path, f"\n#  include <{target}>  // why\n")
                self.assertEqual(len(found), 1)
                self.assertTrue(found[0].startswith(f"{path}:2: "), found[0])
                self.assertIn(reason, found[0])

    def test_quotes(self):
        self.assertIn("angle brackets", self.offences("vision/a.cpp", '#include "vision/rmt.h"\n')[0])

    def test_commented_out(self):
        self.assertEqual(self.offences("vision/a.cpp", "// #include <datasets/loader.h>\n"), [])

    def test_file_outside_every_layer(self):
        self.assertIn("is in no layer", self.offences("retention/stray.cpp", "")[0])

    def test_exit_codes(self):
        def run(*arguments):
            command = [sys.executable, SCRIPTS / "check_includes.py", *arguments]
            return subprocess.run(command, capture_output=True, text=True)

        self.assertEqual(run(self.root).returncode, 0)
        self.write("vision/a.cpp", "#include <apps/text.h>\n")
        broken = run(self.root)
        self.assertEqual(broken.returncode, 1)
        self.assertIn("vision/a.cpp:1: ", broken.stdout)
        self.assertEqual(run("--bogus").returncode, 2)


if __name__ == "__main__":
    unittest.main()
