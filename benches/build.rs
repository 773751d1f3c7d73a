//! Compiles `bpf/bench.bpf.c` with clang and turns it into a Rust skeleton.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "bpf/bench.bpf.c";

/// The kernel types that kerno's own programs are compiled with.
const KERNEL_TYPES: &str = "../vmlinux";

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
        .obj(out.join("bench.bpf.o"))
        .reference_obj(true)
        // Flags as kerno's own build has them, for its reasons.
        .clang_args([&types, "-mcpu=v2", "-Wall", "-Wextra", "-Werror"]);
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(clang);
    }
    builder
        .build_and_generate(out.join("bench.skel.rs"))
        .with_context(|| format!("cannot compile {SOURCE}; is clang installed? (make setup)"))
}
