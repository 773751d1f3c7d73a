"""What is linked into a static kerno: crates as cargo resolves them, and libraries in C, from
crates that bring them along and from Debian's packages. For scripts/licences and scripts/sbom.
"""
import json
import pathlib
import re
import subprocess
import sys

# Libraries in C that a crate brings along: crate, folder in it, licence.
BROUGHT = {
    "libbpf": ("libbpf-sys", "libbpf", "LGPL-2.1-only OR BSD-2-Clause"),
    "zstd": ("zstd-sys", "zstd", "BSD-3-Clause OR GPL-2.0-only"),
    "sqlite": ("libsqlite3-sys", "sqlite3", "blessing"),
}
# Those that the linker takes from Debian's packages: package, licence.
INSTALLED = {
    "glibc": ("libc6-dev", "LGPL-2.1-or-later"),
    "libelf": ("libelf-dev", "GPL-2.0-or-later OR LGPL-3.0-or-later"),
    "zlib": ("zlib1g-dev", "Zlib"),
}


def crates(target):
    """Packages that are linked into kerno, without what only builds or tests."""
    return crates_and_needs(target)[0]


def crates_and_needs(target):
    """The same, and for the id of each the ids of those that it needs."""
    said = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"],
        check=True, stdout=subprocess.PIPE).stdout
    metadata = json.loads(said)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(id for id, package in packages.items()
                if package["name"] == "kerno" and package["source"] is None)
    needs, ahead = {}, [root]
    while ahead:
        here = ahead.pop()
        if here in needs:
            continue
        needs[here] = []
        # Macros run in the compiler; what they need is not linked in.
        if any("proc-macro" in made["kind"] for made in packages[here]["targets"]):
            continue
        needs[here] = [dependency["pkg"] for dependency in nodes[here]["deps"]
                       if any(kind["kind"] is None for kind in dependency["dep_kinds"])]
        ahead += needs[here]
    linked = sorted((packages[id] for id in needs), key=lambda package: (package["name"], package["version"]))
    return linked, needs


def folder_of(package):
    return pathlib.Path(package["manifest_path"]).parent


def brought_version(name, package):
    """The library's own version, which its crate names in one way or another."""
    if name == "sqlite":
        header = (folder_of(package) / "sqlite3/sqlite3.h").read_text(errors="replace")
        found = re.search(r'#define SQLITE_VERSION\s+"([^"]+)"', header)
    else:
        found = re.search(r"\+(?:v|zstd\.)(\S+)$", package["version"])
    if not found:
        sys.exit(f"kerno: the version of {name} in {package['name']} {package['version']} is not known")
    return found[1]


def installed_version(package):
    said = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    if not said:
        sys.exit(f"kerno: {package} is not installed, though it is linked in")
    return said
