#!/usr/bin/env bash
# Install what some tests start as real peers, from Debian's packages: Chromium (pages), DCMTK,
# dicom3tools, Orthanc with its DICOMweb plugin, PostgreSQL, Redis. Without root or apt-get nothing is done and those tests are skipped, by name; with
# SERVERS_REQUIRED=1 (as CI runs) a missing one fails instead.
set -euo pipefail
wanted=(chromium dcmtk dicom3tools orthanc orthanc-dicomweb postgresql redis-server)
missing=()
for package in "${wanted[@]}"; do
    if [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing+=("$package")
    fi
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${missing[*]}. Tests with them are skipped (Debian: apt-get install ${missing[*]})"
    test "${SERVERS_REQUIRED:-0}" != 1
    exit
fi
# RUNLEVEL=1: the packages do not start a server of their own; each test starts its own, on a free
# port of the loopback interface, and ends it.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update -qq
apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}" >/dev/null
