//! The Helm chart: rendered by Helm's own library, its objects held to Kubernetes' schemas and
//! to the files that they are copies of (tests/helm/check.py).

use std::path::Path;
use std::process::Command;

#[test]
fn the_chart_is_what_the_manifests_are() {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python/bin/python");
    assert!(
        python.exists(),
        "no {}: `make setup` gets Helm and the schemas (tests/get-python)",
        python.display()
    );
    let mut check = Command::new(python);
    check.args(["-I", "tests/helm/check.py"]);
    let done = check.output().expect("python starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}
