//! What is said in the doctor's tests, for the test that no sentence goes unsaid.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::finding::Finding;

/// The file to which a process tells it that runs the tests; without it nothing is told.
pub(super) const OVERHEARD: &str = "KERNO_TEST_OVERHEARD";

/// All texts of a finding.
pub(super) fn texts(finding: &Finding) -> impl Iterator<Item = &String> {
    let told = [&finding.title, &finding.cause, &finding.impact];
    let told = told.into_iter().chain(&finding.hit_hardest);
    told.chain(&finding.evidence).chain(&finding.fix)
}

/// Tells what was said, each text once and on one line.
pub(super) fn tell<'a>(said: impl IntoIterator<Item = &'a String>) {
    static HEARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(path) = env::var_os(OVERHEARD) else {
        return;
    };
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut news = String::new();
    for text in said {
        if heard.insert(text.clone()) {
            news.push_str(&text.replace('\n', " "));
            news.push('\n');
        }
    }
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    let mut file = file.expect("a file of the test that asks");
    file.write_all(news.as_bytes()).expect("room");
}
