//! The report for an issue or a chat.

use super::*;

fn markdown(report: &Report) -> String {
    let mut out = Vec::new();
    let written = report.write(Form::Markdown, &mut out);
    written.expect("a Vec takes everything");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn reads_as_the_note_does() {
    insta::assert_snapshot!("healthy", markdown(&report(&healthy())));
    insta::assert_snapshot!("one_of_two_fails", markdown(&report(&one_of_two_fails())));
    insta::assert_snapshot!("node", markdown(&report(&node())));
    insta::assert_snapshot!("no_traffic", markdown(&report(&Fed::default())));
}

/// Names that would be markup, in every place that a name can come to.
#[test]
fn names_stay_text() {
    let evil = "a|b`c*[x](y)<img>";
    let mut fed = Fed::default();
    let lost = attempt(("<b>@all|`", 7), BAD, Outcome::Unanswered, 5_000 * MS);
    let whose = sample::pod("ns|x", evil, "c");
    fed.feed(
        40,
        &Attempt {
            workload: Some(whose),
            ..lost
        },
    );
    let mut report = report(&fed);
    report.host.name = "# host\n```\n<script>".to_owned();
    report.notes = vec!["**note** http://evil/".to_owned()];
    report.signals[1].missing = Some("| --- | #1".to_owned());
    report.findings[0]
        .fix
        .push("run `echo \"```\"; x`".to_owned());
    let page = markdown(&report);
    insta::assert_snapshot!("hostile", page);
    let text = outside_of_code(&page);
    for bad in ["<", "](", "@", "://", "#1"] {
        assert!(!text.contains(bad), "{bad} in {text}");
    }
}

/// What is read as Markdown: without what is escaped, code spans and fences.
fn outside_of_code(page: &str) -> String {
    let mut text = String::new();
    let mut fence: Option<String> = None;
    for line in page.lines() {
        let line = line.trim_start();
        match &fence {
            Some(end) if line == end => fence = None,
            Some(_) => {}
            None if line.starts_with("```") => {
                let run = line.len() - line.trim_start_matches('`').len();
                fence = Some("`".repeat(run));
            }
            None => {
                let mut rest = line;
                while let Some(c) = rest.chars().next() {
                    rest = &rest[c.len_utf8()..];
                    match c {
                        '\\' => rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..],
                        '`' => {
                            let run = 1 + rest.len() - rest.trim_start_matches('`').len();
                            let end = "`".repeat(run);
                            rest = &rest[run - 1..];
                            let at = rest.find(&end).expect("a span that ends");
                            rest = &rest[at + run..];
                        }
                        c => text.push(c),
                    }
                }
                text.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a fence is open");
    text
}
