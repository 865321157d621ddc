"""run.sh and test.sh on a tree of one tiny program: output, quiet no-op, parallel calls, failures, closing line."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PRESETS = """{"version": 6, "configurePresets": [{"name": "release", "generator": "Ninja",
  "binaryDir": "${sourceDir}/build/release", "cacheVariables": {"VALUE": "7"}}],
  "testPresets": [{"name": "release", "configurePreset": "release"}]}"""
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(tiny LANGUAGES CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(retentive main.cpp)
enable_testing()
add_test(NAME good COMMAND retentive)
add_test(NAME also_good COMMAND retentive)
add_test(NAME bad COMMAND retentive fail)
set_tests_properties(bad PROPERTIES LABELS slow)
"""
PROGRAM = """#include <cstdio>
#include <cstring>
#include <unistd.h>
int main(int argc, char** argv) {
  char folder[4096];
  std::printf("in %s\\n", getcwd(folder, sizeof folder));
  for (int i = 1; i < argc; ++i) std::printf("[%s]\\n", argv[i]);
  return argc > 1 && std::strcmp(argv[1], "fail") == 0 ? 5 : 0;
}
"""


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = (Path(cls.folder.name) / "a tree").resolve()
        (cls.root / "scripts").mkdir(parents=True)
        (cls.root / ".deps").mkdir()
        for name in ("common.sh", "run.sh", "test.sh"):
            shutil.copy(SCRIPTS / name, cls.root / "scripts" / name)
        (cls.root / "scripts" / "setup.sh").write_text("#!/bin/sh\nexit 0\n")
        (cls.root / "scripts" / "setup.sh").chmod(0o755)
        (cls.root / "CMakeLists.txt").write_text(PROJECT)
        (cls.root / "CMakePresets.json").write_text(PRESETS)
        (cls.root / "main.cpp").write_text(PROGRAM)
        cls.first = [cls.start("run.sh", "first", str(i)) for i in range(3)]
        cls.first = [(*process.communicate(), process.returncode) for process in cls.first]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def start(cls, script, *arguments, cwd="/"):
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        return subprocess.Popen([cls.root / "scripts" / script, *arguments], cwd=cwd, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def call(self, script, *arguments, cwd="/"):
        process = self.start(script, *arguments, cwd=cwd)
        return (*process.communicate(), process.returncode)

    def test_parallel_first_calls_build_once_and_all_run(self):
        built = 0
        for i, (out, err, code) in enumerate(self.first):
            self.assertEqual((out, code), (f"in /\n[first]\n[{i}]\n", 0), err)
            built += "Linking" in err
        self.assertEqual(built, 1)

    def test_nothing_to_build(self):
        with tempfile.TemporaryDirectory() as elsewhere:
            self.assertEqual(self.call("run.sh", "a b", "--flag", "", cwd=elsewhere),
                             (f"in {os.path.realpath(elsewhere)}\n[a b]\n[--flag]\n[]\n", "", 0))
        times = []
        for _ in range(5):
            begin = time.monotonic()
            self.call("run.sh")
            times.append(time.monotonic() - begin)
        print(f"run.sh with nothing to build: {min(times):.3f} s")
        self.assertLess(min(times), 0.5)

    def test_exit_code_is_the_programs(self):
        self.assertEqual(self.call("run.sh", "fail")[2], 5)

    def test_changed_source_is_built_and_a_broken_one_does_not_run(self):
        source = self.root / "main.cpp"
        self.addCleanup(source.write_text, PROGRAM)
        source.write_text(PROGRAM.replace("in %s", "new %s"))
        self.assertEqual(self.call("run.sh")[0], "new /\n")
        source.write_text(PROGRAM + "this does not compile\n")
        out, err, code = self.call("run.sh")
        self.assertEqual(out, "")
        self.assertIn("main.cpp", err)
        self.assertNotEqual(code, 0)

    def test_test_sh(self):
        out, err, code = self.call("test.sh")
        self.assertEqual((out.splitlines()[-1], code), ("2 passed, 0 failed", 0), out + err)
        out, _, code = self.call("test.sh", "--slow")
        self.assertEqual(out.splitlines()[-1], "2 passed, 1 failed")
        self.assertNotEqual(code, 0)
        out, _, code = self.call("test.sh", "-R", "also")
        self.assertEqual((out.splitlines()[-1], code), ("1 passed, 0 failed", 0))
        out, _, code = self.call("test.sh", "-R", "no such test")
        self.assertEqual(out.splitlines()[-1], "0 passed, 0 failed")
        self.assertNotEqual(code, 0)


if __name__ == "__main__":
    unittest.main()
