//! Each sentence that the doctor can say is said in one of its tests. What the histories say stands
//! in the snapshots of their rules: nobody changes a word, or what leads to it, without seeing it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use super::commands::histories;
use crate::doctor::overheard::OVERHEARD;
use crate::doctor::overheard::texts;

/// Literals with fewer words are parts of a sentence: `(pid {pid})`.
const WORDS_MIN: usize = 4;

/// What was said in all tests of the doctor but those that make up what happens by chance.
fn overheard() -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("overheard");
    let done = Command::new(env::current_exe().expect("this program"))
        .args(["doctor::", "--skip", "sentences", "--skip", "commands"])
        .args(["--skip", "windows", "--skip", "figures"])
        .env(OVERHEARD, &path)
        .output()
        .expect("it starts");
    assert!(done.status.success(), "{done:?}");
    let text = fs::read_to_string(&path).expect("what was said");
    text.lines().map(str::to_owned).collect()
}

/// What each rule says in the histories, each text once.
fn told() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut told: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for finding in histories::findings(Path::new("/groups/dns")) {
        let own = told.entry(finding.rule.name()).or_default();
        own.extend(texts(&finding).cloned());
    }
    told
}

/// The files of the doctor, without its tests.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the sources") {
            let path = entry.expect("an entry").path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    files
}

/// The string literals of a program: without those of comments and attributes, of what is
/// compiled for tests alone, and of `expect()`, which nobody is told. It knows as much of Rust
/// as the doctor's files need: no raw strings, and tests at the end of a file.
fn literals(source: &str) -> Vec<String> {
    let (source, _) = source
        .split_once("#[cfg(test)]\nmod tests {")
        .unwrap_or((source, ""));
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/', '#']) {
        let (before, from) = rest.split_at(at);
        rest = match from.as_bytes() {
            [b'/', b'/', ..] => from.split_once('\n').map_or("", |(_, rest)| rest),
            [b'#', b'[', ..] => from.split_once("]\n").map_or("", |(_, rest)| rest),
            // A character, or a lifetime.
            [b'\'', b'\\', _, b'\'', ..] => &from[4..],
            [b'\'', _, b'\'', ..] => &from[3..],
            [b'"', ..] => {
                let (literal, rest) = literal(&from[1..]);
                if !before.ends_with("expect(") {
                    found.push(literal);
                }
                rest
            }
            _ => &from[1..],
        };
    }
    found
}

/// A literal that begins here, as a program has it, and what comes behind it.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (literal, &text[at + 1..]),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('\n') => {
                    let (more, behind) = self::literal(chars.as_str().trim_start());
                    return (literal + &more, behind);
                }
                Some('n') => literal.push('\n'),
                Some(c) => literal.push(c),
                None => break,
            },
            c => literal.push(c),
        }
    }
    (literal, "")
}

/// The words between the places that `format!` fills in.
fn fixed(literal: &str) -> Vec<String> {
    let literal = literal.replace("{{", "\0").replace("}}", "\u{1}");
    let mut parts = vec![String::new()];
    let mut is_filled = false;
    for (at, c) in literal.char_indices() {
        match c {
            '{' if is_place(&literal[at + 1..]) => {
                is_filled = true;
                parts.push(String::new());
            }
            '}' if is_filled => is_filled = false,
            _ if is_filled => {}
            '\0' => parts.last_mut().expect("one").push('{'),
            '\u{1}' => parts.last_mut().expect("one").push('}'),
            c => parts.last_mut().expect("one").push(c),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a place to fill in begins here, and no brace of a setting: `{rcode}`, `{:.1}`.
fn is_place(text: &str) -> bool {
    text.split_once('}')
        .is_some_and(|(place, _)| !place.contains(char::is_whitespace))
}

fn words(parts: &[String]) -> usize {
    parts.iter().map(|it| it.split_whitespace().count()).sum()
}

/// Whether the text has all parts, in their order.
fn has(text: &str, parts: &[String]) -> bool {
    let mut rest = Some(text);
    for part in parts {
        rest = rest.and_then(|rest| rest.split_once(part.as_str()).map(|(_, rest)| rest));
    }
    rest.is_some()
}

#[test]
fn each_sentence_is_said_in_a_test() {
    let mut told: Vec<String> = told().into_values().flatten().collect();
    told.extend(overheard());
    let mut unsaid = BTreeSet::new();
    let mut sentences = 0;
    for path in sources() {
        let source = fs::read_to_string(&path).expect("a source file");
        for literal in literals(&source) {
            let parts = fixed(&literal);
            if words(&parts) < WORDS_MIN {
                continue;
            }
            sentences += 1;
            if !told.iter().any(|text| has(text, &parts)) {
                let name = path.file_name().expect("a name").to_string_lossy();
                unsaid.insert(format!("{name}: {literal}").replace('\n', " "));
            }
        }
    }
    assert!(sentences > 500, "only {sentences} found");
    assert!(unsaid.is_empty(), "said in no test: {unsaid:#?}");
}

#[test]
fn each_rule_says_what_was_read_last() {
    for (rule, texts) in told() {
        let texts: Vec<String> = texts.into_iter().collect();
        insta::assert_snapshot!(rule, texts.join("\n"));
    }
}

#[test]
fn a_literal_is_found_and_compared_by_its_fixed_words() {
    let setting = "Lower it: `dnsConfig: {ndots: 2}` for {name} ({:.1} each)";
    let parts = ["Lower it: `dnsConfig: {ndots: 2}` for ", " (", " each)"];
    assert_eq!(fixed(setting), parts);
    let source = r#"
        /// Not this "sentence" of a comment.
        #[doc = "nor that of an attribute"]
        fn one<'a>(it: &'a str, quote: char) -> String {
            it.expect("nor what nobody is told");
            let is_quote = ['"', '\\''].contains(quote) / 2;
            format!("asked {} of \"{it:?}\" in \
                     all {{here}}")
        }
        const AFTER: &str = "this one is a sentence";
#[cfg(test)]
mod tests { const IT: &str = "nor a test's own words"; }
    "#;
    let found = literals(source);
    assert_eq!(
        found,
        [
            "asked {} of \"{it:?}\" in all {{here}}",
            "this one is a sentence"
        ]
    );
    let parts = fixed(&found[0]);
    assert_eq!(parts, ["asked ", " of \"", "\" in all {here}"]);
    assert!(has("It asked 3 of \"4\" in all {here}.", &parts));
    assert!(!has("It asked 3 in all {here} of \"4\".", &parts));
}
