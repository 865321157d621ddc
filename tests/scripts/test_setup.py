"""The scripts' own promises that can be kept without a network: reports, exit codes, nothing installed by a check."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run(script, *arguments, path=None):
    environment = dict(os.environ, PATH=path or os.environ["PATH"])
    return subprocess.run(["/bin/bash", script, *arguments], capture_output=True, text=True, env=environment)


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name) / "a tree"
        shutil.copytree(SCRIPTS, self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        self.setup = self.root / "scripts" / "setup.sh"

    def test_check_reports_and_installs_nothing(self):
        result = run(self.setup, "--check", "--no-apt")
        self.assertEqual(result.returncode, 1, result.stderr)
        missing = result.stdout.splitlines()
        self.assertIn("missing: .deps/venv", missing)
        self.assertTrue(any(line.startswith("missing: torch==") for line in missing), missing)
        self.assertEqual([path.name for path in self.root.iterdir()], ["scripts"])

    def test_check_sees_a_half_made_environment(self):
        (self.root / ".deps" / "venv" / "bin").mkdir(parents=True)
        result = run(self.setup, "--check", "--no-apt")
        self.assertEqual(result.returncode, 1)
        self.assertIn("missing: .deps/venv (incomplete)", result.stdout.splitlines())

    def test_missing_tools_are_named(self):
        tools = self.root / "tools"
        tools.mkdir()
        for tool in ("bash", "dirname", "sed", "sort", "head", "python3", "g++", "git"):
            os.symlink(shutil.which(tool), tools / tool)
        result = run(self.setup, "--check", path=str(tools))
        self.assertEqual(result.returncode, 1)
        for package in ("cmake", "ninja-build", "ccache"):
            self.assertIn(f"missing: {package}", result.stdout.splitlines())
        self.assertNotIn("missing: g++", result.stdout.splitlines())

    def test_flags(self):
        self.assertEqual(run(self.setup, "--help").returncode, 0)
        unknown = run(self.setup, "--chekc")
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("--chekc", unknown.stderr)
        self.assertEqual(run(self.root / "scripts" / "test.sh", "--preset").returncode, 2)
        self.assertEqual(run(self.root / "scripts" / "check.sh", "--bogus").returncode, 2)


if __name__ == "__main__":
    unittest.main()
