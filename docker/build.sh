#!/usr/bin/env bash
# Builds the image. Usage: docker/build.sh TAG VERSION
#
#   TAG      what to name the image in the local engine, for instance echo-room:0123456789abcdef
#   VERSION  what the service calls itself (label, ECHO_VERSION)
#
# Environment:
#   BASE_IMAGE   base for both stages; default is the Dockerfile's. Where it can be neither found nor pulled, an
#                equivalent is made from Debian's signed packages (docker/base-image.sh), and this says so.
#   PYTHON       a Python with pip, to download wheels with; default .venv/bin/python, else python3
#
# Wheels are downloaded here, on the host, checked against the locked hashes, and the build itself needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'docker/build.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*" >&2; }

[ $# -eq 2 ] || die "usage: docker/build.sh TAG VERSION"
tag=$1 version=$2
python=${PYTHON:-.venv/bin/python}
command -v "$python" >/dev/null || python=python3

engine=$(timeout 10 docker version --format '{{.Server.Arch}}' 2>&1) \
  || die "no Docker engine answers ($(printf '%s' "$engine" | tail -n 1)). Start one, or use RUNTIME=process with ENV=local."
case $engine in
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
  *) die "the Docker engine runs on $engine; images are made for amd64 and arm64 only" ;;
esac

# --- the base ---
base=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' docker/Dockerfile)}
if ! docker image inspect "$base" >/dev/null 2>&1; then
  say "Pulling the base image $base"
  if ! timeout 300 docker pull --quiet "$base" >/dev/null 2>&1; then
    [ -z "${BASE_IMAGE:-}" ] || die "the base image $base is neither in the engine nor can it be pulled"
    say "$base cannot be pulled from here; using a base made from Debian's signed packages instead"
    base=$(docker/base-image.sh)
  fi
fi

# --- the wheels, for the Python inside the base and not for this one ---
abi=$(docker run --rm --network none --entrypoint python3 "$base" -c 'import sys; print("%d%d" % sys.version_info[:2])') \
  || die "there is no python3 in the base image $base"
wheels=docker/wheels
stamp=$(cat app/requirements.txt docker/requirements.txt | cksum | tr ' ' -)-cp$abi-$machine
if [ "$(cat "$wheels/.complete" 2>/dev/null)" != "$stamp" ]; then
  say "Downloading the locked wheels for CPython ${abi/3/3.} on $machine"
  rm -rf "$wheels" && mkdir -p "$wheels"
  "$python" -m pip download -qq --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
    --implementation cp --python-version "$abi" --abi "cp$abi" --abi abi3 --abi none \
    --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" \
    --platform any --dest "$wheels" -r app/requirements.txt -r docker/requirements.txt \
    || die "the wheels could not be downloaded (see above); check the network and try again"
  printf '%s' "$stamp" > "$wheels/.complete"
fi

# --- the image; the context is exactly these files, whatever else lies about ---
say "Building $tag"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! tar --create --exclude __pycache__ docker/Dockerfile docker/wheels app \
    | docker build --file docker/Dockerfile --build-arg "BASE_IMAGE=$base" --build-arg "VERSION=$version" --tag "$tag" - \
      >"$log" 2>&1; then
  cat "$log" >&2
  die "the build failed (see above)"
fi
say "Built $tag, $(docker image inspect --format '{{.Size}}' "$tag" | awk '{printf "%.0f MB", $1 / 1e6}') unpacked"
