//! Compiles `bpf/dns_monitor.bpf.c` with clang and turns it into a Rust skeleton.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "bpf/dns_monitor.bpf.c";

fn main() -> Result<()> {
    // Cargo does not know which headers clang reads.
    for watched in ["bpf", "vmlinux", "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rerun-if-env-changed=CLANG");
    // A clean HEAD or a new commit changes what `--version` says.
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
    println!("cargo:rustc-env=KERNO_COMMIT={}", commit());

    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let mut builder = SkeletonBuilder::new();
    builder
        .source(SOURCE)
        .obj(out.join("dns_monitor.bpf.o"))
        .reference_obj(true)
        .clang_args([
            "-Ivmlinux",
            // LLVM 20 and later default to v3, which 5.10 does not fully verify.
            "-mcpu=v2",
            "-Wall",
            "-Wextra",
            "-Werror",
            // The hidden ctx of BPF_PROG is often unused.
            "-Wno-unused-parameter",
        ]);
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(clang);
    }
    builder
        .build_and_generate(out.join("dns_monitor.skel.rs"))
        .with_context(|| format!("cannot compile {SOURCE}; is clang installed? (make setup)"))
}

/// The short commit hash, or "unknown" outside a checkout (a release tarball).
fn commit() -> String {
    Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()
        .filter(|done| done.status.success())
        .and_then(|done| String::from_utf8(done.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |hash| hash.trim().to_owned())
}
