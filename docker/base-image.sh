#!/usr/bin/env bash
# Makes a base image from Debian's signed packages, for machines that reach no registry; prints its name.
# Usage: docker/base-image.sh [--fresh]      --fresh makes it anew although the engine has one already
#
# Debian 13's CPython 3.13 is built with the same optimisations (PGO, LTO) as the official images'.
set -euo pipefail

suite=trixie
name=echo-room-base:$suite

die() { printf 'docker/base-image.sh: %s\n' "$*" >&2; exit 1; }

if [ "${1:-}" != --fresh ] && docker image inspect "$name" >/dev/null 2>&1; then
  echo "$name"
  exit 0
fi

work=$(mktemp -d)
archive=$work/base.tar
root=$work/root
trap 'rm -rf "$work"' EXIT
packages=python3,ca-certificates

if command -v mmdebstrap >/dev/null; then
  printf 'Making %s with mmdebstrap (about half a minute)\n' "$name" >&2
  mmdebstrap --quiet --variant=minbase --include="$packages" --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' "$suite" "$archive" >&2 || die "mmdebstrap failed (see above)"
elif command -v debootstrap >/dev/null; then
  [ "$(id -u)" -eq 0 ] || die "debootstrap needs root; install mmdebstrap, which does not"
  mkdir "$root"
  printf 'Making %s with debootstrap (about a minute)\n' "$name" >&2
  debootstrap --variant=minbase --include="$packages" "$suite" "$root" >&2 || die "debootstrap failed (see above)"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/doc/* "$root"/usr/share/man/*
  tar --create --numeric-owner --directory "$root" . > "$archive"
else
  die "needs mmdebstrap or debootstrap: apt-get install mmdebstrap"
fi

docker import --change 'CMD ["python3"]' "$archive" "$name" >/dev/null
echo "$name"
