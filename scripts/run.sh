#!/usr/bin/env bash
# scripts/run.sh ARGS...: sets up and builds what is missing, then runs `retentive ARGS...` in the current directory.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh" --quick >&2
build release retentive
exec "$root/build/release/bin/retentive" "$@"
