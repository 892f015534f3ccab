#!/usr/bin/env bash
# make's shell for what several rows stand on: of two that would make it at once, on this or another machine, one waits
# for the other at a lock beside the folder, and then finds it made. The kernel ends the lock with its process.
#   alone.sh FOLDER COMMANDS
set -eu
mkdir -p "$(dirname "$1")"
if command -v flock >/dev/null; then
  exec flock "$(dirname "$1")/.$(basename "$1").lock" bash -eu -o pipefail -c "$2"
fi
exec bash -eu -o pipefail -c "$2"
