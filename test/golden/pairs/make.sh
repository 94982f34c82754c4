#!/bin/bash
# What kpatch's create-diff-object makes of test/fixtures/diff/pairs: kpatch.json. Debian's kpatch-build 0.9.11-1.1 made the one checked in.
set -euo pipefail
cd "$(dirname "$0")"
node kpatch.mjs "$(bash ../../tools/create-diff-object.sh)"
