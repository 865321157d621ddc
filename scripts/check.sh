#!/usr/bin/env bash
# Checks what needs no build: formatting, include rules, file length. With --tidy also clang-tidy on changed files.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly format_version=14 max_lines=500

usage() {
  cat <<END
usage: scripts/check.sh [--fix] [--tidy [BASE]]
  --fix          let clang-format rewrite the files instead of complaining
  --tidy [BASE]  also clang-tidy on the .cpp files that differ from BASE (default HEAD), new ones included
END
}

cpp_files() { git ls-files -z -- '*.h' '*.cpp'; }

check_length() {
  local long
  long=$(cpp_files | xargs -0 awk -v max="$max_lines" 'FNR == max + 1 { print FILENAME }')
  [[ -z $long ]] && return 0
  printf '%s: longer than %s lines; split it by job\n' "$long" "$max_lines"
  return 1
}

find_clang_format() {
  local name
  for name in "clang-format-$format_version" clang-format; do
    if command -v "$name" >/dev/null && [[ $("$name" --version) == *"version $format_version."* ]]; then
      echo "$name"
      return 0
    fi
  done
  return 1
}

check_format() {
  local tool
  # Other versions lay out some lines differently, so only this one may judge.
  if ! tool=$(find_clang_format); then
    echo "format: NOT CHECKED, clang-format $format_version is missing; scripts/setup.sh --dev installs it on Debian 12"
    return 0
  fi
  if $fix; then
    cpp_files | xargs -0 -r "$tool" -i
  else
    cpp_files | xargs -0 -r "$tool" --dry-run -Werror
  fi
}

changed_sources() {
  { git diff --name-only --relative --diff-filter=d "$base" -- '*.cpp'
    git ls-files --others --exclude-standard -- '*.cpp'; } | sort -u
}

check_tidy() {
  local preset database="" files commands status=0
  command -v clang-tidy >/dev/null || fail "clang-tidy is missing; run scripts/setup.sh --dev"
  for preset in ci release dev; do
    [[ -n $database || ! -e build/$preset/compile_commands.json ]] || database=build/$preset/compile_commands.json
  done
  [[ -n $database ]] || fail "no compile_commands.json; run scripts/test.sh or scripts/run.sh once"
  mapfile -t files < <(changed_sources)
  echo "tidy: ${#files[@]} changed files against $base"
  ((${#files[@]})) || return 0
  commands=$(mktemp -d)
  # clang cannot read GCC's precompiled header: the header itself takes its place.
  sed 's# -Winvalid-pch -include [^ "]*cmake_pch.hxx# -include torch/torch.h#' "$database" \
    >"$commands/compile_commands.json"
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(build_jobs)" clang-tidy --quiet -p "$commands" \
    2> >(grep -v 'warnings\{0,1\} \(generated\|treated as\)' >&2) || status=1
  rm -rf "$commands"
  return "$status"
}

fix=false tidy=false base=HEAD
while (($#)); do
  case $1 in
    --fix) fix=true ;;
    --tidy)
      tidy=true
      if (($# > 1)) && [[ $2 != -* ]]; then base=$2; shift; fi
      ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

cd "$root"
git rev-parse --git-dir >/dev/null 2>&1 || fail "not a git checkout; the checks look at tracked files"
status=0
python3 scripts/check_includes.py || status=1
check_length || status=1
check_format || status=1
if $tidy; then check_tidy || status=1; fi
((status == 0)) && echo "check: ok" || echo "check: failed (above)"
exit "$status"
