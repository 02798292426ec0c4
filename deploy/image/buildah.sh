# Sourced by the scripts beside it: buildah, on a machine without a container daemon.
# Variables and not options: old versions look into another store when given options.
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || missing="${missing:-} $tool"
    done
    [ -n "${missing:-}" ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install docker or podman, or:$missing (as root, on Debian)." >&2
        exit 1
    fi
    echo "Installing$missing …" >&2
    apt-get update -qq
    # Each of these tools is a package of the same name.
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
}

need buildah
