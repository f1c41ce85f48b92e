#!/usr/bin/env bash
# The programs we did not write, and the faults that need root: installs by apt and npm what is missing, where that is
# possible, and runs `pytest -m peers`. Called by `make peers` with VENV; STUDIES names a folder of DICOM files, without
# it those that pydicom ships are pushed. The last lines name what was not run, and why.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

venv=${VENV:-.venv}
export STUDIES=${STUDIES:-}
# program:package, each program one that a test needs
wanted=(
    curl:curl Orthanc:orthanc dcmdump:dcmtk gdcminfo:libgdcm-tools dciodvfy:dicom3tools chromium:chromium
    rabbitmq-server:rabbitmq-server nginx:nginx-light openssl:openssl unzip:unzip 7z:p7zip-full
    bsdtar:libarchive-tools strace:strace node:nodejs npm:npm mkfs.ext4:e2fsprogs
)
not_run=()

have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }

install_missing() {
    local packages=() pair
    for pair in "${wanted[@]}"; do have "${pair%%:*}" || packages+=("${pair#*:}"); done
    [ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || packages+=(orthanc-dicomweb)
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "Not installed, for that needs root: ${packages[*]}"
        return 0
    fi
    if ! have apt-get; then
        echo "Not installed, for there is no apt-get: ${packages[*]}"
        return 0
    fi
    echo "Installing ${packages[*]}"
    keep_services_down
    apt-get update -qq || echo "apt-get update failed; what is installed is all there is."
    # One at a time after a failure: one package that does not exist must not keep the others away.
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null 2>&1 ||
        for package in "${packages[@]}"; do
            apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 || echo "$package: not installable"
        done
    allow_services
}

# Debian starts a service with its package; the tests start programs of their own on ports of their own.
keep_services_down() {
    [ -e /usr/sbin/policy-rc.d ] && return 0
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
}
allow_services() { [ -z "${policy:-}" ] || rm -f "$policy"; }
policy=
trap allow_services EXIT

install_npm() {
    [ -n "${NODE_PACKAGES:-}" ] && return 0
    have npm || return 0
    export NODE_PACKAGES
    NODE_PACKAGES=$(mktemp -d)
    trap 'allow_services; rm -rf "$NODE_PACKAGES"' EXIT
    if ! timeout 300 npm install --no-audit --no-fund --loglevel=error --prefix "$NODE_PACKAGES" \
        dicomweb-client@0.11 dcmjs@0.52 xhr2@0.2 >"$NODE_PACKAGES/log" 2>&1; then
        not_run+=("dicomweb-client of npm: npm install failed or took more than 300 s $(tail -n 1 "$NODE_PACKAGES/log")")
        deselect+=(--ignore=tests/peers/test_dicomweb_client_js.py)
    fi
    # The page as it was built; what it was built of is not needed.
    if ! (cd "$NODE_PACKAGES" && mkdir ohif && timeout 300 npm pack --loglevel=error @ohif/app@3.13.2 >>log 2>&1 &&
        tar xzf ohif-app-*.tgz -C ohif); then
        not_run+=("OHIF: npm pack failed or took more than 300 s $(tail -n 1 "$NODE_PACKAGES/log")")
        deselect+=(--ignore=tests/peers/test_ohif.py)
    fi
}

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
deselect=()
install_missing
install_npm
if [ "$(id -u)" != 0 ]; then
    not_run+=("full disk, power cut and order of syncs (tests/faults): need root")
    deselect+=(--ignore=tests/faults)
elif ! unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null; then
    not_run+=("full disk and power cut (tests/faults): this root may not mount")
    deselect+=(--ignore=tests/faults/test_full_disk.py --ignore=tests/faults/test_power_cut.py)
elif ! losetup --find >/dev/null 2>&1; then
    not_run+=("power cut (tests/faults): no loop device")
    deselect+=(--ignore=tests/faults/test_power_cut.py)
fi

log=$(mktemp)
"$venv/bin/python" -m pytest -m peers -q --tb=short --show-capture=no -p no:cacheprovider "${deselect[@]}" tests 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
while IFS= read -r line; do not_run+=("${line#NOT RUN }"); done < <(grep '^NOT RUN ' "$log")
rm -f "$log"

if [ "$code" = 0 ]; then echo "make peers passed, with ${STUDIES:-the files that pydicom ships}."; fi
if [ ${#not_run[@]} -gt 0 ]; then
    echo "Not run:"
    printf '  %s\n' "${not_run[@]}"
else
    echo "Not run: nothing was left out."
fi
exit "$code"
