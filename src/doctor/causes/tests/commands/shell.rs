//! A shell that runs the commands of all fixes, where every program only tells
//! its words.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process;

use super::FOLDER;
use super::LABEL;
use super::Names;
use super::histories;

/// Words of one program that a command started.
pub(super) type Words = Vec<Vec<u8>>;

/// What a shell made of it.
#[derive(Debug)]
pub(super) struct Read {
    /// By history: the words of each program, in the order of the commands.
    pub(super) words: Vec<Vec<Words>>,
    /// Files that the commands made.
    pub(super) files: BTreeSet<String>,
}

/// All programs of the commands, and `canary`, which is in none.
const PROGRAMS: &[&str] = &[
    "awk",
    "bpftool",
    "canary",
    "cat",
    "cilium-dbg",
    "conntrack",
    "dig",
    "ethtool",
    "grep",
    "head",
    "ip",
    "iptables-save",
    "journalctl",
    "kerno",
    "kubectl",
    "lsns",
    "modprobe",
    "nft",
    "nsenter",
    "nstat",
    "reboot",
    "renice",
    "resolvectl",
    "rndc",
    "sort",
    "ss",
    "strace",
    "sysctl",
    "systemctl",
    "tc",
    "top",
    "traceroute",
    "unbound-control",
    "uniq",
    "wc",
];

/// The number of words and the words, in one write: the programs of a pipeline run
/// at the same time.
const STUB: &str = "#!/bin/sh\nprintf '%s\\0' $(($# + 1)) \"${0##*/}\" \"$@\" >&9\n";

/// What a shell has built in would act on this host.
const PREAMBLE: &str = "exec 9>&1 >/dev/null
tell() { printf '%s\\0' $# \"$@\" >&9; }
echo() { tell echo \"$@\"; }
kill() { tell kill \"$@\"; }
";

pub(super) fn read(names: &Names) -> Read {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let root = scratch.path();
    let programs = root.join("bin");
    fs::create_dir_all(root.join("here")).expect("a folder");
    fs::create_dir(&programs).expect("a folder");
    let stub = root.join("bin/stub");
    fs::write(&stub, STUB).expect("a stub");
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("a program");
    for program in PROGRAMS {
        symlink("stub", programs.join(program)).expect("a link");
    }
    let folder = root.join("groups").join(OsStr::from_bytes(&names.folder));
    let mut unit = root
        .join("groups/system.slice")
        .join(OsStr::from_bytes(&names.folder))
        .into_os_string();
    unit.push(".service");
    for group in [folder.as_os_str(), &unit] {
        fs::create_dir_all(group).expect("a control group");
    }
    let mut script = PREAMBLE.to_owned();
    let histories = histories::all(&folder);
    let number = histories.len();
    for history in histories {
        script += "tell mark\n";
        for finding in history.renamed(names).findings() {
            for command in finding.fix.iter().flat_map(|step| commands(step)) {
                script += "tell next\n";
                script += command;
                script += "\n";
            }
        }
    }
    // Nothing but the stubs can be found, and no file that is there be written over.
    let shell = process::Command::new("/bin/sh")
        .args(["-Cc", &script])
        .env_clear()
        .env("PATH", &programs)
        .current_dir(root.join("here"))
        .output()
        .expect("a shell");
    let words = parse(&shell.stdout, root);
    assert_eq!(words.len(), number, "{:?}\n{script}", shell.stderr);
    let mut files = BTreeSet::new();
    for folder in ["here", "groups"] {
        collect(&root.join(folder), root, &mut files);
    }
    Read { words, files }
}

/// What stands between backticks.
fn commands(step: &str) -> impl Iterator<Item = &str> {
    assert!(step.matches('`').count().is_multiple_of(2), "{step}");
    step.split('`').skip(1).step_by(2)
}

/// By history, each command's words.
fn parse(told: &[u8], root: &Path) -> Vec<Vec<Words>> {
    let mut histories: Vec<Vec<Words>> = Vec::new();
    let mut command: Vec<Words> = Vec::new();
    let mut parts = told.split(|&b| b == 0);
    loop {
        let number = parts.next().unwrap_or_default();
        let number: usize = std::str::from_utf8(number)
            .ok()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        let words: Words = parts
            .by_ref()
            .take(number)
            .map(|word| short(word, root))
            .collect();
        let says = |what: &str| words.first().is_none_or(|word| word == what.as_bytes());
        if says("mark") || says("next") {
            // Those of a pipeline come in any order.
            command.sort();
            histories
                .last_mut()
                .unwrap_or(&mut Vec::new())
                .append(&mut command);
        }
        if words.is_empty() {
            return histories;
        }
        if says("mark") {
            histories.push(Vec::new());
        } else if !says("next") {
            command.push(words.into_iter().filter(|word| word != b"-q").collect());
        }
    }
}

/// Each run has a scratch folder of its own.
fn short(word: &[u8], root: &Path) -> Vec<u8> {
    replaced(word, root.as_os_str().as_bytes(), b"TMP")
}

fn collect(folder: &Path, root: &Path, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => collect(&path, root, files),
            false => {
                let path = path.strip_prefix(root).expect("a path below it");
                files.insert(bytes(path.as_os_str().as_bytes()));
            }
        }
    }
}

/// Octets as text that can be compared and printed.
pub(super) fn bytes(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

/// The words of all programs, for people.
pub(super) fn shown(words: &[Words]) -> String {
    let lines = words.iter().map(|words| words.join(&b"|"[..]));
    lines.map(|line| bytes(&line) + "\n").collect()
}

fn replaced(word: &[u8], token: &[u8], by: &[u8]) -> Vec<u8> {
    match word.windows(token.len()).position(|part| part == token) {
        Some(at) => [&word[..at], by, &word[at + token.len()..]].concat(),
        None => word.to_vec(),
    }
}

/// The words with other names in the place of the harmless ones.
pub(super) fn renamed(harmless: &[Words], folder: &[u8], label: &[u8]) -> Vec<Words> {
    let rename = |word: &Vec<u8>| {
        let word = replaced(word, FOLDER.as_bytes(), folder);
        replaced(&word, LABEL.as_bytes(), label)
    };
    harmless
        .iter()
        .map(|words| words.iter().map(rename).collect())
        .collect()
}

pub(super) fn renamed_files(files: &BTreeSet<String>, folder: &[u8]) -> BTreeSet<String> {
    files
        .iter()
        .map(|file| bytes(&replaced(file.as_bytes(), FOLDER.as_bytes(), folder)))
        .collect()
}
