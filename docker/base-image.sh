#!/usr/bin/env bash
# Makes a base image from Debian's signed packages, for machines that reach no registry; prints its name.
# Usage: docker/base-image.sh [--fresh] [ARCH]
#
#   --fresh   makes it anew although the engine has one already
#   ARCH      amd64 or arm64; default is the engine's own. One for another processor is only unpacked, which needs no
#             emulation: its files are what an image is made from, and nothing of it is run.
#
# Debian 13's CPython 3.13 is built with the same optimisations (PGO, LTO) as the official images'.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=trixie
packages=python3,ca-certificates

die() { printf 'docker/base-image.sh: %s\n' "$*" >&2; exit 1; }

fresh=
[ "${1:-}" != --fresh ] || { fresh=1; shift; }
engine=$(timeout 10 docker version --format '{{.Server.Arch}}' 2>&1) \
  || die "no Docker engine answers ($(printf '%s' "$engine" | tail -n 1)). Start one and run this again."
arch=${1:-$engine}
case $arch in amd64 | arm64) ;; *) die "base images are made for amd64 and arm64, not for $arch" ;; esac
name=echo-room-base:$suite-$arch

if [ -z "$fresh" ] && docker image inspect "$name" >/dev/null 2>&1; then
  echo "$name"
  exit 0
fi

work=$(mktemp -d)
archive=$work/base.tar
root=$work/root
trap 'rm -rf "$work"' EXIT

# Licences stay, other documentation goes.
exclude=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright'
  --dpkgopt='path-exclude=/usr/share/man/*')

# What dpkg would have noted of the packages that were only unpacked: their stanzas and their lists of files.
note_packages='set -e; cd "$1"; mkdir -p var/lib/dpkg/info; rm -f var/lib/dpkg/status
for deb in var/cache/apt/archives/*.deb; do
  dpkg-deb --field "$deb" | sed "/^Version:/i Status: install ok unpacked" >> var/lib/dpkg/status; echo >> var/lib/dpkg/status
  dpkg-deb --fsys-tarfile "$deb" | tar --list | sed -e "s#^\.##" -e "s#\(.\)/\$#\1#" \
    > "var/lib/dpkg/info/$(dpkg-deb --field "$deb" Package).list"
done'

if command -v mmdebstrap >/dev/null && [ "$arch" = "$engine" ]; then
  printf 'Making %s with mmdebstrap (about half a minute)\n' "$name" >&2
  mmdebstrap --quiet --variant=minbase --include="$packages" "${exclude[@]}" "$suite" "$archive" >&2 \
    || die "mmdebstrap failed (see above)"
elif command -v mmdebstrap >/dev/null; then
  printf 'Unpacking %s with mmdebstrap (about half a minute)\n' "$name" >&2
  mmdebstrap --quiet --variant=extract --architectures="$arch" --include="$packages,base-files" \
    --skip=check/qemu --extract-hook="$note_packages" "$suite" "$archive" >&2 || die "mmdebstrap failed (see above)"
elif [ "$arch" != "$engine" ]; then
  die "a base for $arch on $engine needs mmdebstrap: apt-get install mmdebstrap"
elif command -v debootstrap >/dev/null; then
  [ "$(id -u)" -eq 0 ] || die "debootstrap needs root; install mmdebstrap, which does not"
  mkdir "$root"
  printf 'Making %s with debootstrap (about a minute)\n' "$name" >&2
  debootstrap --variant=minbase --include="$packages" "$suite" "$root" >&2 || die "debootstrap failed (see above)"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/man/*
  tar --create --numeric-owner --directory "$root" . > "$archive"
else
  die "needs mmdebstrap or debootstrap: apt-get install mmdebstrap"
fi

python3 docker/load.py "$name" "$arch" "$archive" || die "the image could not be loaded (see above)"
echo "$name"
