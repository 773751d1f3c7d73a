//! Where kerno is kept from what it needs, it says by what.

use crate::place::Place;
use crate::process::finish;

const KERNO: &str = env!("CARGO_BIN_EXE_kerno");

/// Root of a user namespace has every capability, and none over the kernel.
#[test]
fn root_in_a_user_namespace_it_is_not_the_kernels_age() {
    let mut command = Place::host().command("unshare");
    command.args(["--user", "--map-root-user", KERNO]);
    let done = finish(command.args(["doctor", "--duration", "1s"]));
    assert!(!done.succeeded);
    let said = &done.output;
    assert!(said.contains("kerno runs in a user namespace"), "{said}");
    assert!(!said.contains("Linux 5.8"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// A container may have its own `/sys`, or none.
#[test]
fn root_without_sysfs_it_is_not_a_kernel_without_btf() {
    let mut command = Place::host().command("unshare");
    let script = "mount -t tmpfs none /sys && exec \"$0\" doctor --duration 1s";
    let done = finish(command.args(["--mount", "sh", "-c", script, KERNO]));
    assert!(!done.succeeded);
    let said = &done.output;
    assert!(said.contains("mount sysfs"), "{said}");
    assert!(!said.contains("CONFIG_DEBUG_INFO_BTF"), "{said}");
}

#[test]
fn root_with_few_files_the_limit_is_named() {
    let mut command = Place::host().command("sh");
    let script = "ulimit -n 20; exec \"$0\" doctor --duration 1s";
    let done = finish(command.args(["-c", script, KERNO]));
    assert!(!done.succeeded);
    let said = &done.output;
    assert!(said.contains("kerno may open 20 files"), "{said}");
    assert!(!said.contains("kernel rejected"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
