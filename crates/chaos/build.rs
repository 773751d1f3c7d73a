//! Compiles `bpf/chaos_deny.bpf.c` with clang and turns it into a Rust skeleton.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "bpf/chaos_deny.bpf.c";

/// The kernel types that kerno's own programs are compiled with.
const KERNEL_TYPES: &str = "../../vmlinux";

fn main() -> Result<()> {
    // Cargo does not know which headers clang reads.
    for watched in ["bpf", KERNEL_TYPES, "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let types = format!("-I{KERNEL_TYPES}");
    let mut builder = SkeletonBuilder::new();
    builder
        .source(SOURCE)
        .obj(out.join("chaos_deny.bpf.o"))
        .reference_obj(true)
        // Flags as kerno's own build has them, for its reasons.
        .clang_args([
            &types,
            "-fdebug-compilation-dir=.",
            "-mcpu=v2",
            "-Wall",
            "-Wextra",
            "-Werror",
        ]);
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(clang);
    }
    builder
        .build_and_generate(out.join("chaos_deny.skel.rs"))
        .with_context(|| format!("cannot compile {SOURCE}; is clang installed? (make setup)"))
}
