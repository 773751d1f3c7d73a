//! Compiles `bpf/dns_monitor.bpf.c` with clang and turns it into a Rust skeleton, and
//! generates and compiles the programs of `crates/counters`.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_cargo::SkeletonBuilder;

/// What kerno watches with.
const OBJECT: &str = "dns_monitor";

fn main() -> Result<()> {
    // Cargo does not know which headers clang reads.
    for watched in ["bpf", "vmlinux", "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rerun-if-env-changed=CLANG");
    // Another HEAD or a new commit changes what `--version` says. A file that is
    // not there would make cargo run this anew each time.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    // No commit outside a checkout (a release tarball).
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let commit = commit.as_deref().unwrap_or("unknown");
    println!("cargo:rustc-env=KERNO_COMMIT={commit}");

    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let source = format!("bpf/{OBJECT}.bpf.c");
    let mut builder = compiler(Path::new(&source), &out.join(format!("{OBJECT}.bpf.o")));
    builder
        .reference_obj(true)
        .build_and_generate(out.join(format!("{OBJECT}.skel.rs")))
        .with_context(|| failed(&source))?;
    let mut objects = String::new();
    for counters in kerno_counters::ALL {
        let source = out.join(format!("{}.bpf.c", counters.name));
        let c = (counters.module)().generate();
        fs::write(
            &source,
            c.with_context(|| format!("counters {}", counters.name))?,
        )?;
        let object = source.with_extension("o");
        compiler(&source, &object)
            .build()
            .with_context(|| failed(&source.display().to_string()))?;
        let name = counters.name;
        objects += &format!("({name:?}, include_bytes!({object:?}) as &[u8]),\n");
    }
    fs::write(out.join("counters.rs"), format!("&[\n{objects}]"))?;
    Ok(())
}

fn compiler(source: &Path, object: &Path) -> SkeletonBuilder {
    let mut builder = SkeletonBuilder::new();
    // The lines' file names stay in the binary, and must not tell where it was built.
    let generated = object.parent().unwrap_or(object).display();
    builder.source(source).obj(object).clang_args([
        &format!("-ffile-prefix-map={generated}=counters"),
        "-fdebug-compilation-dir=.",
        "-Ivmlinux",
        // LLVM 20 and later default to v3, which 5.10 does not fully verify.
        "-mcpu=v2",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(clang);
    }
    builder
}

fn failed(source: &str) -> String {
    format!("cannot compile {source}; is clang installed? (make setup)")
}

/// What git says, or `None` without git or outside a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok()?;
    let said = done.status.success().then_some(done.stdout)?;
    Some(String::from_utf8(said).ok()?.trim().to_owned())
}
