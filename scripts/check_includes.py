#!/usr/bin/env python3
"""Checks the include directions of the source tree: which layer may see which, and which library is seen where.

usage: scripts/check_includes.py [ROOT]     one line per offence; exit 0 when there is none, 1 otherwise
"""
import re
import sys
from pathlib import Path

# Layer -> the layers to its left that it may include, besides itself. The longest matching path decides.
ALLOWED = {
    "retention/base": [],
    "retention/kernels": ["retention/base"],
    "retention/packed": ["retention/base", "retention/kernels"],
    "retention/ops": ["retention/base", "retention/kernels"],
    "retention/nn": ["retention/base", "retention/kernels", "retention/packed", "retention/ops"],
    "vision/structures.h": ["retention/base"],
    "vision/row_source.h": ["retention/base", "vision/structures.h"],
    "vision": ["retention/base", "retention/ops", "retention/nn", "vision/structures.h", "vision/row_source.h"],
    "datasets": ["retention/base", "vision/structures.h", "vision/row_source.h"],
    "datasets/video": ["retention/base", "vision/structures.h", "datasets"],
    "models/formats": ["retention/base"],
    "models/tokenizers": ["retention/base", "models/formats"],
}
ALLOWED["models"] = ALLOWED["vision"] + ["vision", "models/formats", "models/tokenizers"]
ALLOWED["models/detection"] = ALLOWED["models"] + ["models", "datasets"]
ALLOWED["models/training"] = ALLOWED["models/detection"] + ["models/detection"]
ALLOWED["models/pipelines"] = ALLOWED["models/training"] + ["datasets/video"]
ALLOWED["apps"] = ALLOWED["models/pipelines"] + ["models/training", "models/pipelines", "bench", "bench/report"]
ALLOWED["examples"] = ALLOWED["apps"]
ALLOWED["tests"] = ALLOWED["apps"] + ["retention/kernels", "retention/packed"]
ALLOWED["bench/report"] = ["retention/base"]
ALLOWED["bench"] = ALLOWED["apps"] + ["retention/kernels", "retention/packed", "bench/report"]

TORCH_FREE = {"retention/base", "retention/kernels", "retention/packed", "vision/structures.h",
              "vision/row_source.h", "models/formats", "models/tokenizers", "datasets",
              "datasets/video", "bench/report"}
# Library -> (what its includes look like, where they may stand, as a test of (layer, file name)).
LIBRARIES = {
    "LibTorch": (r"(torch|ATen|c10|caffe2)/", lambda layer, name: layer not in TORCH_FREE),
    "OpenCV": (r"opencv2?/", lambda layer, name: layer in
               {"datasets", "datasets/video", "models/pipelines", "apps", "examples", "tests", "bench"}),
    "image libraries": (r"(png|tiff|tiffio|jpeglib|jerror|gif_lib|webp/\w+)\.h$", lambda layer, name:
                          layer in {"datasets", "tests"} and name.endswith(".cpp")),
    "FFmpeg": (r"lib(av\w+|sw\w+)/", lambda layer, name: layer == "datasets/video" and
               (name.endswith(".cpp") or name == "av.h")),
    "nlohmann-json": (r"nlohmann/", lambda layer, name: layer in {"tests", "bench", "bench/report"} or
                      name.endswith((".cpp", "_json.h"))),
    "oneDNN": (r"(oneapi/)?dnnl", lambda layer, name: layer == "retention/packed"),
    "CLI11": (r"CLI/", lambda layer, name: layer == "apps"),
    "PCRE2, utf8proc or SentencePiece": (r"(pcre2|utf8proc|sentencepiece)", lambda layer, name:
                                         layer == "models/tokenizers" and name.endswith(".cpp")),
}
PLACES = {
    "LibTorch": "neither base, kernels, packed, formats, tokenizers, datasets, vision/structures.h nor row_source.h "
                "see it",
    "OpenCV": "only datasets, models/pipelines and apps see it",
    "image libraries": "only .cpp files of datasets see them",
    "FFmpeg": "only datasets/video sees it, in .cpp files and detail/av.h",
    "nlohmann-json": "only .cpp files and *_json.h, which is not installed, see it",
    "oneDNN": "only retention/packed sees it",
    "CLI11": "only apps sees it",
    "PCRE2, utf8proc or SentencePiece": "only .cpp files of models/tokenizers see them",
}
SOURCES = {".h", ".hpp", ".cpp", ".cc", ".cxx", ".inc", ".inl"}
TOP_FOLDERS = sorted({layer.split("/")[0] for layer in ALLOWED})
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The layer of a path relative to the root, or None."""
    matches = [layer for layer in ALLOWED if path == layer or path.startswith(layer + "/")]
    return max(matches, key=len, default=None)


def resolve(root, layer, target):
    """The path relative to the root that an include of the project names, or None for another library's."""
    if layer == "tests" and (root / "tests" / target).is_file():
        return f"tests/{target}"
    return target if target.split("/")[0] in TOP_FOLDERS else None


def offence(root, path, opening, target):
    """What is wrong with one include in `path`, or None."""
    layer = layer_of(path)
    if opening == '"' or ".." in target.split("/") or target.startswith("./"):
        return "write includes with angle brackets and the full project path, such as <retention/base/error.h>"
    for library, (pattern, may_stand) in LIBRARIES.items():
        if re.match(pattern, target):
            return None if may_stand(layer, Path(path).name) else f"{library}: {PLACES[library]}"
    included = resolve(root, layer, target)
    if included is None:
        return None
    if not (root / included).is_file():
        return "no such file"
    other = layer_of(included)
    if other is None:
        return f"{included} is in no layer; the layers are {', '.join(ALLOWED)}"
    if other != layer and other not in ALLOWED[layer]:
        return f"{layer} may not include {other}; it may include {', '.join(ALLOWED[layer]) or 'only itself'}"
    return None


def check_file(root, path):
    if layer_of(path) is None:
        return [f"{path}: is in no layer; the layers are {', '.join(ALLOWED)}"]
    offences = []
    for number, line in enumerate((root / path).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        complaint = match and offence(root, path, *match.groups())
        if complaint:
            offences.append(f"{path}:{number}: {line.strip()}: {complaint}")
    return offences


def check_tree(root):
    """Every offence under `root`, and the number of files read."""
    files = [file.relative_to(root).as_posix() for folder in TOP_FOLDERS
             for file in sorted((root / folder).rglob("*")) if file.suffix in SOURCES and file.is_file()]
    return [offence for path in files for offence in check_file(root, path)], len(files)


def main():
    if len(sys.argv) > 2 or any(argument.startswith("-") for argument in sys.argv[1:]):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)
    root = Path(sys.argv[1] if len(sys.argv) == 2 else Path(__file__).parent.parent).resolve()
    offences, files = check_tree(root)
    print(*offences, sep="\n", end="\n" if offences else "")
    print(f"includes: {files} files, {len(offences)} offences")
    sys.exit(1 if offences or files == 0 else 0)


if __name__ == "__main__":
    main()
