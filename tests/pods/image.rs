//! An image made here: busybox under the names of the programs that pods run.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::process::finish;
use crate::process::run;

/// What the image is called; no registry has it.
pub(crate) const NAME: &str = "kerno.test/busybox:1";

/// Writes the image into a folder, in the form of `docker save`.
pub(crate) fn write(folder: &Path) -> PathBuf {
    let (root, image) = (folder.join("root"), folder.join("image"));
    let bin = root.join("bin");
    for folder in [&bin, &image] {
        std::fs::create_dir_all(folder).expect("to make a folder");
    }
    // Debian's packages of 12 and 13 have it in different places.
    let busybox = ["/usr/bin/busybox", "/bin/busybox"];
    let busybox = busybox.into_iter().find(|path| Path::new(path).exists());
    std::fs::copy(busybox.expect("busybox-static"), bin.join("busybox")).expect("to copy it");
    for program in ["nslookup", "sleep", "sh"] {
        symlink("busybox", bin.join(program)).expect("a link");
    }
    let layer = image.join("layer.tar");
    pack(&root, "bin", &layer);
    let digest = finish(Command::new("sha256sum").arg(&layer)).output;
    let digest = digest.split(' ').next().expect("a digest");
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        // As the pause image: it does nothing, and the sandbox is there.
        "config": { "Entrypoint": ["/bin/sleep", "3600"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
        "history": [{}],
    });
    let manifest = json!([
        { "Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"] }
    ]);
    for (file, content) in [("config.json", config), ("manifest.json", manifest)] {
        std::fs::write(image.join(file), content.to_string()).expect("to write it");
    }
    let packed = folder.join("image.tar");
    pack(&image, ".", &packed);
    packed
}

fn pack(folder: &Path, what: &str, file: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).arg("-cf").arg(file).arg(what);
    run(&mut tar);
}

/// As Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
