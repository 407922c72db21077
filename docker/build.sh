#!/usr/bin/env bash
# Builds the image. Usage: docker/build.sh TAG VERSION [ARCH]
#
#   TAG      what to name the image in the local engine, for instance echo-room:0123456789abcdef
#   VERSION  what the service calls itself (label, ECHO_VERSION)
#   ARCH     amd64 or arm64; default is the engine's own. Another one needs no emulation: nothing of it is run.
#
# Environment:
#   BASE_IMAGE   the image whose files are taken; default is the Dockerfile's, pinned by digest. `debian`: one made from
#                Debian's signed packages (docker/base-image.sh). Where the default can be neither found nor pulled,
#                that is used too, and this says so.
#   NO_CACHE     1: use nothing of an earlier build
#   PYTHON       a Python with pip, to download wheels with; default .venv/bin/python, else python3
#   SOURCE_DATE_EPOCH   the time of the `created` label; default is the last commit's. Files have none.
#
# Wheels are downloaded here, on the host, checked against the locked hashes, and the build itself needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'docker/build.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*" >&2; }

{ [ $# -ge 2 ] && [ $# -le 3 ]; } || die "usage: docker/build.sh TAG VERSION [ARCH]"
tag=$1 version=$2
python=${PYTHON:-.venv/bin/python}
command -v "$python" >/dev/null || python=python3

engine=$(timeout 10 docker version --format '{{.Server.Arch}}' 2>&1) \
  || die "no Docker engine answers ($(printf '%s' "$engine" | tail -n 1)). Start one, or use RUNTIME=process with ENV=local."
arch=${3:-$engine}
case $arch in
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
  *) die "images are made for amd64 and arm64, not for $arch" ;;
esac

# --- the bases: one whose files are taken, and one that runs the build (the same unless ARCH is another) ---

# The base: what was asked for, or the Dockerfile's, pinned by its digest.
reference=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' docker/Dockerfile)}

# Prints the local name of the base for processor $1. The pinned reference stands for every platform, and the engine
# may keep only one of them under it, so each gets a name of its own.
base_for() {
  if [ "$reference" = debian ]; then docker/base-image.sh "$1"; return; fi
  local name=echo-room-base:pinned-$1
  # A local image of that name and platform; else the registry's.
  if [ "$(docker image inspect --format '{{.Architecture}}' "$reference" 2>/dev/null)" = "$1" ]; then
    printf '%s\n' "$reference"
  elif [ "$(docker image inspect --format '{{index .RepoDigests 0}}' "$name" 2>/dev/null | sed 's/.*@//')" = "${reference##*@}" ]; then
    printf '%s\n' "$name"
  else
    say "Pulling the base image $reference for $1"
    # Where one from Debian's packages is there already, the registry is given a short time only.
    local patience=300
    ! docker image inspect "echo-room-base:trixie-$1" >/dev/null 2>&1 || patience=30
    if timeout "$patience" docker pull --quiet --platform "linux/$1" "$reference" >/dev/null 2>&1; then
      docker tag "$reference" "$name"
      printf '%s\n' "$name"
    elif [ -n "${BASE_IMAGE:-}" ]; then
      die "the base image $reference is neither in the engine for $1 nor can it be pulled"
    else
      say "It cannot be pulled from here; using a base made from Debian's signed packages instead"
      docker/base-image.sh "$1"
    fi
  fi
}
base=$(base_for "$arch")
builder=$base
[ "$arch" = "$engine" ] || builder=$(base_for "$engine")

# --- what the last stage begins with: nothing. BuildKit is told the processor; the classic builder has to see it ---
final=(--build-arg FINAL_IMAGE=scratch --platform "linux/$arch")
if [ "$arch" != "$engine" ] && ! docker buildx version >/dev/null 2>&1; then
  "$python" docker/load.py "echo-room-base:empty-$arch" "$arch"
  final=(--build-arg "FINAL_IMAGE=echo-room-base:empty-$arch")
fi

# --- the wheels, for the Python inside the base and not for this one ---
abi=$(docker run --rm --network none --entrypoint python3 "$builder" -c 'import sys; print("%d%d" % sys.version_info[:2])') \
  || die "there is no python3 in the base image $builder"
wheels=docker/wheels/$arch
stamp=$(cat app/requirements.txt docker/requirements.txt | cksum | tr ' ' -)-cp$abi
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

# --- where it comes from: the commit, when this is a checkout ---
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain -- app docker 2>/dev/null)" ] || revision=$revision-dirty
# Without a user name or a password that somebody may have put into the address.
origin=$(git remote get-url origin 2>/dev/null | sed 's#//[^/@]*@#//#' || true)
case $origin in https://* | git@* | ssh://*) ;; *) origin=unknown ;; esac

# A registry's reference says more than the name that its image has got here.
case $base in echo-room-base:pinned-*) base_name=$reference ;; *) base_name=$base ;; esac

# --- the image; the context is exactly these files, whatever else lies about ---
say "Building $tag"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! tar --create --exclude __pycache__ docker/Dockerfile docker/requirements.txt docker/rootfs "$wheels" app \
    | docker build --file docker/Dockerfile --tag "$tag" "${final[@]}" ${NO_CACHE:+--no-cache} \
      --build-arg "BASE_IMAGE=$base" --build-arg "BUILD_IMAGE=$builder" --build-arg "BUILD_ARCH=$engine" \
      --build-arg "ARCH=$arch" --build-arg "VERSION=$version" \
      --build-arg "REVISION=$revision" --build-arg "SOURCE=${origin:-unknown}" --build-arg "BASE_NAME=$base_name" \
      --build-arg "CREATED=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" - >"$log" 2>&1; then
  cat "$log" >&2
  die "the build failed (see above)"
fi
say "Built $tag, $(docker image inspect --format '{{.Size}}' "$tag" | awk '{printf "%.0f MB", $1 / 1e6}') unpacked"
