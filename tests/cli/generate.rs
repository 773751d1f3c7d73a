//! `kerno gen`: manual pages and completions.

use std::fs;
use std::path::Path;

use crate::COMMANDS;
use crate::kerno;
use crate::output;
use crate::text;

fn generated(what: &str, folder: &Path) -> String {
    let path = folder.to_str().expect("UTF-8");
    let done = output(kerno(&["gen", what, path]).env("SOURCE_DATE_EPOCH", "86400"));
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), "");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names.join(" ")
}

#[test]
fn each_command_has_a_manual_page_with_examples() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = generated("man", folder.path());
    let mut expected: Vec<String> = COMMANDS.iter().map(|c| format!("kerno-{c}.1")).collect();
    expected.push("kerno.1".to_owned());
    expected.sort();
    assert_eq!(names, expected.join(" "));
    for command in COMMANDS {
        let page = fs::read_to_string(folder.path().join(format!("kerno-{command}.1")));
        let page = page.expect("the page");
        for part in [
            "1970-01-02",
            ".SH OPTIONS",
            ".SH EXAMPLES",
            ".SH \"EXIT STATUS\"",
        ] {
            assert!(page.contains(part), "{command}: {part}\n{page}");
        }
    }
    let main = fs::read_to_string(folder.path().join("kerno.1")).expect("the page");
    assert!(
        !main.contains("lab\\-worker") && !main.contains("kerno\\-gen"),
        "{main}"
    );
}

#[test]
fn each_shell_completes_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = generated("completions", folder.path());
    assert_eq!(names, "_kerno kerno.bash kerno.fish");
    for name in names.split(' ') {
        let script = fs::read_to_string(folder.path().join(name)).expect("the script");
        for command in COMMANDS {
            assert!(script.contains(command), "{name}: {command}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_said() {
    let done = output(&mut kerno(&["gen", "man", "/nowhere"]));
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done.stderr).contains("/nowhere"),
        "{}",
        text(&done.stderr)
    );
    let done = output(kerno(&["gen", "man", "."]).env("SOURCE_DATE_EPOCH", "today"));
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("SOURCE_DATE_EPOCH"));
}
