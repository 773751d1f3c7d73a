//! Whatever names strangers choose, a shell reads each command of each fix as the
//! same words.

mod domains;
pub(super) mod histories;
mod shell;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::attempt::names;
use shell::Read;

/// What a stranger chooses: the name of a control group, of a program, of a folder
/// and of a unit; and a label of the DNS names that are asked for.
#[derive(Clone, Debug)]
struct Names {
    folder: Vec<u8>,
    label: Vec<u8>,
}

const FOLDER: &str = "Folder7";
const LABEL: &str = "Label7";

fn names(folder: &[u8], label: &[u8]) -> Names {
    Names {
        folder: folder.to_vec(),
        label: label.to_vec(),
    }
}

/// What the doctor says of a history of each rule, with names that a stranger chose.
pub(crate) fn findings_of_every_rule(name: &[u8], label: &[u8]) -> Vec<Finding> {
    let names = names(name, label);
    let histories = histories::all(std::path::Path::new("/groups")).into_iter();
    histories
        .flat_map(|it| it.renamed(&names).findings())
        .collect()
}

/// What a shell reads if all names are harmless.
static HARMLESS: LazyLock<Read> =
    LazyLock::new(|| shell::read(&names(FOLDER.as_bytes(), LABEL.as_bytes())));

/// The same if no name can stand in a command.
static NAMELESS: LazyLock<Read> = LazyLock::new(|| shell::read(&names(b"\n", b"`")));

/// The promise of `crate::shell`, for a name in the middle of a word.
fn can_stand(name: &[u8]) -> bool {
    let has = |b: u8| name.contains(&b);
    name.iter().all(|b| (b' '..=b'~').contains(b)) && !has(b'`') && !(has(b'\'') && has(b'\\'))
}

fn presentation(label: &[u8]) -> String {
    let mut shown = String::new();
    names::push_label(&mut shown, label);
    shown
}

/// Looks at what a shell made of it, and says what is wrong.
fn judge(names: &Names) -> Result<(), String> {
    let read = shell::read(names);
    let (folder, shown) = (&names.folder, presentation(&names.label));
    // A unit's name begins its word, a folder's does not.
    let starts_option = folder.starts_with(b"-");
    let (folder_stands, label_stands) = (
        can_stand(folder),
        can_stand(shown.as_bytes()) && !shown.starts_with('-'),
    );
    for (number, harmless) in HARMLESS.words.iter().enumerate() {
        let told = shell::shown(harmless);
        let has = |token: &str| told.contains(token);
        let (stands, unsure) = match (has(FOLDER), has(LABEL)) {
            (true, false) => (folder_stands, has(&format!("{FOLDER}.service"))),
            (false, true) => (label_stands, false),
            (false, false) => (true, false),
            (true, true) => return Err(format!("history {number} has both names")),
        };
        if unsure && starts_option {
            continue;
        }
        let expected = match stands {
            true => shell::renamed(harmless, folder, shown.as_bytes()),
            false => NAMELESS.words[number].clone(),
        };
        if read.words[number] != expected {
            let (read, expected) = (shell::shown(&read.words[number]), shell::shown(&expected));
            return Err(format!("history {number}: {read} instead of {expected}"));
        }
    }
    let files = match folder_stands {
        true => shell::renamed_files(&HARMLESS.files, folder),
        false => BTreeSet::new(),
    };
    let unit = shell::bytes(&[&b"groups/system.slice/"[..], folder, b".service/"].concat());
    let strays: Vec<_> = read.files.difference(&files).collect();
    if !files.is_subset(&read.files) || strays.iter().any(|stray| !stray.starts_with(&unit)) {
        return Err(format!("files {:?} instead of {files:?}", read.files));
    }
    Ok(())
}

/// Every rule has a history here, so every command is looked at.
#[test]
fn every_rule_has_its_commands_read() {
    let names = names(FOLDER.as_bytes(), LABEL.as_bytes());
    let folder = std::path::Path::new("/groups").join(FOLDER);
    let told: BTreeSet<_> = histories::all(&folder)
        .into_iter()
        .flat_map(|history| history.renamed(&names).findings())
        .map(|finding| finding.rule.name())
        .collect();
    let all: BTreeSet<_> = Rule::all().map(Rule::name).collect();
    assert_eq!(told, all);
    let commands = HARMLESS.words.iter().flatten().count();
    assert!(commands > 80, "{commands}");
    let has = |words: &[&str]| {
        HARMLESS.words.iter().flatten().any(|read| {
            read.iter()
                .map(|word| String::from_utf8_lossy(word))
                .eq(words.iter().copied())
        })
    };
    assert!(has(&["cat", "TMP/groups/Folder7/cpu.stat"]));
    assert!(has(&[
        "grep",
        "-n",
        "nameserver",
        "TMP/groups/Folder7/resolv.conf"
    ]));
    assert!(has(&[
        "systemctl",
        "set-property",
        "Folder7.service",
        "CPUQuota="
    ]));
    assert_eq!(HARMLESS.files.len(), 2, "{:?}", HARMLESS.files);
    assert!(NAMELESS.files.is_empty(), "{:?}", NAMELESS.files);
}

#[test]
fn names_that_were_made_to_be_run_are_read_as_names() {
    for name in [
        "atk-$(canary >&2);reboot",
        "a b;canary",
        "it's",
        "';canary;'",
        "\";canary;\"",
        "x\\",
        "\\';canary;'",
        "`canary`",
        "-x",
        "--help",
        "+trace",
        "any",
        "@192.0.2.1",
        "~",
        "*",
        "{a,b}",
        "# a",
        "!!",
        "=ls",
        "|canary",
        "&canary&",
        ">stray",
        "\ncanary\n",
        "\r",
        "\u{202e}",
        "gr\u{fc}n",
        "\\x2d",
        "  ",
        "$IFS",
        "%1",
    ] {
        let judged = judge(&names(name.as_bytes(), name.as_bytes()));
        assert_eq!(judged, Ok(()), "{name:?}");
    }
}

#[test]
fn a_unit_that_would_be_an_option_has_its_limit_raised_by_its_path() {
    let read = shell::read(&names(b"-x", b"a"));
    let mut programs = read.words.iter().flatten().map(|words| &words[0][..]);
    assert!(programs.all(|program| program != b"systemctl"));
    let file = "groups/system.slice/-x.service/cpu.max";
    assert!(read.files.contains(file), "{:?}", read.files);
}

/// Octets and pieces that a shell would act on.
fn any_name(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => vec(b' '..=b'~', 1..4),
        3 => proptest::sample::select(&b"'\"\\$`;&|<>(){}[]*?~#!= -"[..]).prop_map(|b| vec![b]),
        1 => vec(any::<u8>(), 1..3),
        2 => Just(b"$(canary)".to_vec()),
        1 => Just(b";canary;".to_vec()),
        1 => Just(b"'\\''".to_vec()),
    ];
    vec(piece, 1..6).prop_map(move |pieces| {
        let mut name = pieces.concat();
        // What no folder can be called.
        name.retain(|b| !b"/\0".contains(b));
        name.truncate(max);
        if OsStr::from_bytes(&name) == "." || OsStr::from_bytes(&name) == ".." || name.is_empty() {
            name = b"$".to_vec();
        }
        name
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Each incident starts some two hundred programs.
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_shell_reads_the_same_words_whatever_the_names(
        folder in any_name(200),
        label in any_name(40),
    ) {
        let judged = judge(&Names { folder, label });
        prop_assert_eq!(judged, Ok(()));
    }
}
