# Sourced by the scripts in this folder: buildah, for machines without a container daemon.
# Variables instead of options: with options, old versions use another store.
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || missing="${missing:-} $tool"
    done
    [ -n "${missing:-}" ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "Install docker or podman, or (as root, on Debian):$missing" >&2
        exit 1
    fi
    echo "Installing$missing …" >&2
    apt-get update -qq
    # Each of these tools is a package of the same name.
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
}

need buildah
