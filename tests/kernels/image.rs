//! Where the kernels are: fetched from Debian, or named by the user.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::machine::Machine;
use crate::promise::PROMISED;

/// Has each promised kernel of that machine fetched that is not there yet. Returns the images in
/// the order of [`PROMISED`].
pub(crate) fn fetch(machine: Machine) -> Result<Vec<PathBuf>> {
    let cache = cache_folder()?.join(machine.name());
    let done = Command::new("tests/kernels/fetch-kernels")
        .arg(machine.name())
        .arg(&cache)
        .args(PROMISED.iter().map(|promise| promise.series))
        .status()
        .context("tests/kernels/fetch-kernels does not start")?;
    if !done.success() {
        // It has said why.
        bail!("without the kernels there is nothing to verify");
    }
    let image = |series: &str| {
        let image = cache.join(series).join("vmlinuz");
        check(&image, machine)?;
        Ok(image)
    };
    PROMISED
        .iter()
        .map(|promise| image(promise.series))
        .collect()
}

/// Fails with one sentence if the file is no kernel that the guest can boot.
pub(crate) fn check(image: &Path, machine: Machine) -> Result<()> {
    let (header, magic, what) = machine.header();
    let shown = image.display();
    let mut file = File::open(image).with_context(|| format!("cannot read the kernel {shown}"))?;
    let mut begin = Vec::new();
    file.by_ref()
        .take((header + magic.len()) as u64)
        .read_to_end(&mut begin)
        .with_context(|| format!("cannot read the kernel {shown}"))?;
    if begin.get(header..) != Some(magic) {
        bail!("{shown} is not {what}");
    }
    Ok(())
}

/// Outside the checkout, by the XDG Base Directory Specification.
fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    // Not every CI sets HOME; the user has one all the same.
    let of_user = || {
        Some(
            nix::unistd::User::from_uid(nix::unistd::geteuid())
                .ok()??
                .dir,
        )
    };
    let home = || set("HOME").or_else(of_user);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
    let base = base.context("neither XDG_CACHE_HOME nor a home says where kernels can be kept")?;
    Ok(base.join("kerno").join("kernels"))
}
