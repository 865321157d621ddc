#!/usr/bin/env python3
"""Writes the tables of docs/performance.md from the results files beside it.

usage: scripts/update_performance.py [--check] [--program RETENTIVE]

Text between `<!-- results FILE -->` and `<!-- end -->` is replaced by what `retentive bench report --markdown FILE`
prints, FILE relative to docs/. --check writes nothing and exits with 1 when the file would change.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- results (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(program, name):
    """Markdown of one results file, its headings two levels below those of the page's sections."""
    path = PAGE.parent / name
    run = subprocess.run([program, "bench", "report", "--markdown", path], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"update_performance: {path}: {run.stderr.strip()}")
    return run.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when the page is out of date")
    parser.add_argument("--program", default=ROOT / "build" / "release" / "bin" / "retentive")
    options = parser.parse_args()
    before = PAGE.read_text()
    after = BLOCK.sub(lambda block: block[1] + rendered(options.program, block[2]) + block[3], before)
    if options.check and after != before:
        sys.exit("update_performance: docs/performance.md is not what its results files give; "
                 "run scripts/update_performance.py")
    if not options.check:
        PAGE.write_text(after)


if __name__ == "__main__":
    main()
