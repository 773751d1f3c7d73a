//! A search domain is what a container's resolv.conf says: any text.

use std::process;

use super::any_name;
use super::*;
use crate::doctor::causes::tests::lists;

/// What a shell makes of the commands that ask with `dig` for a name below it: their words.
fn read(domain: &str) -> Vec<Vec<u8>> {
    let found = lists::wildcard_below(domain);
    let fixes = found.iter().flat_map(|finding| &finding.fix);
    let commands = fixes.flat_map(|step| step.split('`').skip(1).step_by(2));
    let digs: Vec<_> = commands.filter(|it| it.starts_with("dig ")).collect();
    let tell = "dig() { printf '%s\\0' \"$@\"; }\n";
    let shell = process::Command::new("/bin/sh")
        .args(["-c", &format!("{tell}{}", digs.join("\n"))])
        .env_clear()
        .env("PATH", "/nowhere")
        .output()
        .expect("a shell");
    assert_eq!(shell.stderr, b"", "{digs:?}");
    let words = shell.stdout.split(|&b| b == 0);
    words
        .filter(|it| !it.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn judge(domain: &str) -> Result<(), String> {
    let words = read(domain);
    let name = format!("there-is-no-such-name.{domain}");
    let is_whole = |words: &[Vec<u8>]| match words {
        [server, tries, timeout, option, word] => {
            let before = [server, tries, timeout, option];
            let expected = ["@10.0.0.10", "+tries=1", "+timeout=6", "+short"];
            let read = before.into_iter().map(Vec::as_slice);
            read.eq(expected.into_iter().map(str::as_bytes))
                && word.eq_ignore_ascii_case(name.as_bytes())
        }
        _ => false,
    };
    match words.is_empty() || is_whole(&words) {
        true => Ok(()),
        false => Err(format!("{words:?}")),
    }
}

#[test]
fn a_search_domain_is_one_word_or_there_is_no_command() {
    for shown in ["wild.lab", "it's", "~", "*", ">stray", "|canary"] {
        assert_eq!(read(shown).len(), 5, "{shown}");
    }
    for domain in [
        "$(canary).lab",
        "a;canary",
        "`canary`",
        "it's",
        "'\\''x",
        "a b",
        "|canary",
        ">stray",
        "~",
        "*",
    ] {
        assert_eq!(judge(domain), Ok(()), "{domain:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_shell_reads_any_search_domain_as_one_word(octets in any_name(40)) {
        let domain = String::from_utf8_lossy(&octets).replace('.', "");
        prop_assert_eq!(judge(&domain), Ok(()));
    }
}
